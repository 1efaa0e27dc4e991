package main

import (
	"context"
	"runtime"
	"runtime/debug"
)

// release is the version of this source.
const release = "0.1.0-dev"

type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the source; empty where the build does not say
	Modified bool   `json:"modified,omitempty"` // the source had changes beside it
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func versionCommand() *command {
	c := newCommand("version", "", "Says which mmsgw this is")
	c.examples = []string{"mmsgw version", "mmsgw version --output json"}
	c.prints()
	c.run = func(_ context.Context, t *terminal, _ []string) error {
		v := thisVersion()
		if t.json {
			return t.value(v)
		}
		revision := ""
		if v.Revision != "" {
			revision = " (" + v.Revision[:min(12, len(v.Revision))] + ")"
		}
		t.line("mmsgw %s%s, %s, %s", v.Version, revision, v.Go, v.Platform)
		return nil
	}
	return c
}

func thisVersion() versionInfo {
	v := versionInfo{Version: release, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
