package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestSampleIsTheDefaults holds the sample's values against the code's. What may
// differ is named here and marked as an example there.
func TestSampleIsTheDefaults(t *testing.T) {
	dir := t.TempDir()
	load := func(text []byte) *Config {
		c, err := Parse(text, filepath.Join(dir, "mmsgw.yaml"), noEnv, dialects)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	s, empty := load(Sample()), load(nil)
	var account Account
	var carrier Carrier
	account.defaults()
	carrier.defaults()
	examples := map[string]bool{
		".accounts": true, ".carriers": true, ".routes": true,
		".account.id": true, ".account.numbers": true,
		".carrier.name": true, ".carrier.protocol": true, ".carrier.url": true, ".carrier.reports.open": true,
	}
	same := func(path string, a, b any) {
		for at, differs := range differences(path, reflect.ValueOf(a), reflect.ValueOf(b)) {
			if differs != examples[at] && !emptyBoth(at, a, b) {
				t.Errorf("%s: differs from the default: %v", at, differs)
			}
			delete(examples, at)
		}
	}
	same("", *s, *empty)
	same(".account", s.Accounts[0], account)
	same(".carrier", s.Carriers[0], carrier)
	if len(examples) > 0 {
		t.Errorf("examples that are no keys: %v", examples)
	}
}

// emptyBoth tells whether a key differs only as an empty list does from none.
func emptyBoth(path string, a, b any) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for _, key := range strings.Split(path, ".")[1:] {
		if f, g := field(x, key), field(y, key); f.IsValid() {
			x, y = f, g
		}
	}
	return x.Kind() == reflect.Slice && x.Len() == 0 && y.Len() == 0
}

func field(v reflect.Value, key string) reflect.Value {
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("yaml") == key {
				return v.Field(i)
			}
		}
	}
	return reflect.Value{}
}

// TestSampleHasEveryKey looks for each key that is known, built or not, and for
// the words that mark those that are not.
func TestSampleHasEveryKey(t *testing.T) {
	text := string(Sample())
	for path := range keys("", reflect.TypeFor[Config]()) {
		key := path[strings.LastIndex(path, ".")+1:]
		if !regexp.MustCompile(`(?m)[\s{#,]` + key + `:`).MatchString(text) {
			t.Errorf("%s is not in the sample", path)
		}
	}
	for path := range unbuilt {
		key := path[strings.LastIndex(path, ".")+1:]
		if !regexp.MustCompile(`(?m)\b` + key + `\b`).MatchString(text) {
			t.Errorf("%s is not in the sample", path)
		}
	}
	if n := strings.Count(text, "not in this release)"); n < 11 {
		t.Errorf("only %d keys are marked as not in this release", n)
	}
}

// keys are the paths of all keys below a type.
func keys(path string, t reflect.Type) map[string]bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	all := map[string]bool{}
	for i := 0; t.Kind() == reflect.Struct && i < t.NumField(); i++ {
		if key := t.Field(i).Tag.Get("yaml"); key != "" && key != "-" {
			all[path+"."+key] = true
			for k := range keys(path+"."+key, t.Field(i).Type) {
				all[k] = true
			}
		}
	}
	return all
}

// TestSampleCommentsWork takes the # off every commented key of this release, one
// block at a time, and sees that the file is still right.
func TestSampleCommentsWork(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"north.pass", "north-in.pass", "numbers.csv"} {
		write(t, filepath.Join(dir, name), "secret\n", 0o600)
	}
	for _, edit := range []struct{ from, to string }{
		{"# credit: 100", "credit: 100"},
		{"# - {number:", "- {number:"},
		{"# file: numbers.csv", "file: numbers.csv"},
		{"    # quirks:\n(    # .*\n)+", ""},
		{"    # outcomes:\n(    # .*\n)+", ""},
		{"    # auth:\n(    # .*\n)+?", ""},
		{"      open: true.*\n      # basic", "      basic"},
	} {
		text := regexp.MustCompile(edit.from).ReplaceAllStringFunc(string(Sample()), func(block string) string {
			if edit.to != "" {
				return edit.to
			}
			return uncomment(block)
		})
		if text == string(Sample()) {
			t.Fatalf("the sample has no %q", edit.from)
		}
		if _, err := Parse([]byte(text), filepath.Join(dir, "mmsgw.yaml"), noEnv, dialects); err != nil {
			t.Errorf("%s: %v", edit.from, err)
		}
	}
}

// uncomment takes the # off the lines that are keys or items, prose left alone.
func uncomment(block string) string {
	return regexp.MustCompile(`(?m)^    # ( *(?:- \{|[a-z_]+:).*)$`).ReplaceAllString(block, "    $1")
}

// ExampleSample shows how a first configuration file is made.
func ExampleSample() {
	dir, err := os.MkdirTemp("", "config")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "mmsgw.yaml")
	if err := os.WriteFile(path, Sample(), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	c, err := Load(path, os.LookupEnv, Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Carriers[0].Name, c.Carriers[0].URL, c.Carriers[0].Limits.MaxMessage)
	// Output: north http://127.0.0.1:9091 1MiB
}
