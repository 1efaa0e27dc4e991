package config

import (
	"fmt"
	"maps"
	"math"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// check finds what no single value shows, and makes paths absolute. It runs
// after faults of single values too, so that all are told at once.
func (r *reader) check(c *Config, o Options) {
	if c.StateDir == "" {
		r.fault("state_dir", "must name a directory, such as ./state")
	}
	c.StateDir = r.path(c.StateDir)
	r.checkDatabase(c)
	r.checkMedia(c)
	r.between("drain", c.Drain, 5*time.Second, 10*time.Minute)
	r.checkListen(c)
	r.checkNames("operators.users", c.Operators.Users)
	r.checkNames("operators.groups", c.Operators.Groups)
	r.checkLog(&c.Log)
	r.checkCapability(&c.Capability)

	carriers := r.checkCarriers(c.Carriers, o)
	r.checkAccounts(c.Accounts, carriers)
	r.checkRoutes(c.Routes, carriers)
	if len(c.Carriers) > 0 && len(c.Routes) == 0 && !r.faulty["routes"] {
		r.warn("routes", "no route leads to any carrier: every message will be refused with no_route")
	}
}

// path makes a path of the file absolute.
func (r *reader) path(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(r.dir, p)
}

// oneOf checks a value that has a closed list.
func (r *reader) oneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		r.fault(path, "must be %s", orList(allowed))
	}
}

// need checks that a key is there and not empty.
func (r *reader) need(path, value, what string) bool {
	if value == "" {
		r.fault(path, "is missing; %s", what)
	}
	return value != ""
}

// within checks a whole number against both its ends.
func (r *reader) within(path string, n, low, high int) {
	if n < low || n > high {
		r.fault(path, "must be %d to %d", low, high)
	}
}

// positive checks that durations are more than nothing.
func (r *reader) positive(path string, d Duration) {
	if d <= 0 {
		r.fault(path, "must be more than 0")
	}
}

// between checks a duration against both its ends.
func (r *reader) between(path string, d Duration, low, high time.Duration) {
	if d.D() < low || d.D() > high {
		r.fault(path, "must be %s to %s", Duration(low), Duration(high))
	}
}

func (r *reader) checkNames(path string, names []string) {
	for i, name := range names {
		if name == "" {
			r.fault(fmt.Sprintf("%s[%d]", path, i), "is empty; write a name or an id")
		}
	}
}

// checkDatabase never quotes the value: it may hold a password.
func (r *reader) checkDatabase(c *Config) {
	text := c.Database.Reveal()
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		r.fault("database", "must be empty, for SQLite in state_dir, or postgres://user@host/name")
		return
	}
	if _, set := u.User.Password(); set && !r.fromEnv["database"] {
		r.warn("database", "holds a password; give it as ${NAME}, or by a passfile")
	}
	if c.Media == "" {
		r.warn("database", "can serve several nodes, but media is empty, so that each keeps pictures no other can send; with more than one write media: file:/shared/dir")
	}
}

func (r *reader) checkMedia(c *Config) {
	dir, isFile := strings.CutPrefix(c.Media, "file:")
	dir = strings.TrimPrefix(dir, "//")
	switch {
	case c.Media == "":
	case strings.HasPrefix(c.Media, "s3:"):
		r.fault("media", "S3 is not part of this release; leave it empty, for state_dir, or write file:/shared/dir")
	case !isFile || dir == "":
		r.fault("media", "must be empty, for state_dir, or file:/shared/dir")
	default:
		c.Media = r.path(dir)
	}
	if c.MediaReserve > 1024*GiB {
		r.fault("media_reserve", "must be at most 1024GiB")
	}
}

const maxSockets = 16

// maxSocketPath is what sockaddr_un holds on Linux, less its closing NUL.
const maxSocketPath = 107

func (r *reader) checkListen(c *Config) {
	l := &c.Listen
	if l.API == nil {
		l.API = []Address{{"unix", filepath.Join(c.StateDir, "mmsgw.sock")}}
	}
	if len(l.API) == 0 {
		r.fault("listen.api", "is empty; the gateway must be reached somehow: [\"unix:./state/mmsgw.sock\"]")
	}
	if len(l.API) > maxSockets {
		r.fault("listen.api", "has more than %d addresses", maxSockets)
		return
	}
	taken := map[string]Address{}
	for i := range l.API {
		path := fmt.Sprintf("listen.api[%d]", i)
		r.checkSocket(path, &l.API[i])
		r.distinct(path, l.API[i], taken)
	}
	for path, a := range map[string]Address{"listen.carriers": l.Carriers, "listen.admin": l.Admin} {
		if a.Network != "tcp" {
			r.fault(path, "must be tcp:HOST:PORT")
		}
	}
	r.distinct("listen.carriers", l.Carriers, taken)
	r.distinct("listen.admin", l.Admin, taken)
}

func (r *reader) checkSocket(path string, a *Address) {
	switch a.Network {
	case "tcp":
		r.fault(path, "the API over TCP needs tokens or mTLS, which are not part of this release; write unix:PATH")
	case "unix":
		a.Addr = r.path(a.Addr)
		if len(a.Addr) > maxSocketPath {
			r.fault(path, "is a path of %d bytes once made absolute; a socket's has at most %d", len(a.Addr), maxSocketPath)
		}
	}
}

// distinct refuses an address that another listener has, by itself or by
// listening on every address of the port.
func (r *reader) distinct(path string, a Address, taken map[string]Address) {
	for _, other := range slices.Sorted(maps.Keys(taken)) {
		if overlap(a, taken[other]) {
			r.fault(path, "is the address of %s too; every listener needs its own", other)
			return
		}
	}
	taken[path] = a
}

func overlap(a, b Address) bool {
	if a.Network != b.Network || a.Network != "tcp" {
		return a.Network != "" && a == b
	}
	hostA, portA, _ := net.SplitHostPort(a.Addr)
	hostB, portB, _ := net.SplitHostPort(b.Addr)
	return portA == portB && portA != "0" && (hostA == hostB || everywhere(hostA) || everywhere(hostB))
}

func everywhere(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

func (r *reader) checkLog(l *Log) {
	levels := []string{"debug", "info", "warn", "error"}
	r.oneOf("log.level", l.Level, levels...)
	level, ok := r.env("MMSGW_LOG")
	if !ok || level == "" {
		return
	}
	if !slices.Contains(levels, level) {
		r.problems.add(Problem{File: "environment", Key: "MMSGW_LOG", Message: "must be " + orList(levels)})
	}
	l.Level = level
}

func (r *reader) checkCapability(c *Capability) {
	r.positive("capability.deadline", c.Deadline)
	if c.Deadline.D() > time.Minute {
		r.fault("capability.deadline", "must be at most 1m: callers wait for it")
	}
	r.oneOf("capability.unknown", c.Unknown, "block", "warn")
	r.oneOf("capability.failed", c.Failed, "block", "warn")
	if c.File == "" {
		if c.Unknown == "block" && !r.faulty["capability.file"] {
			r.warn("capability", "nothing is asked and unknown is block: every MMS will be refused; name a file, or set unknown: warn")
		}
		return
	}
	c.File = r.path(c.File)
	f, err := openRegular(c.File)
	if err != nil {
		r.fault("capability.file", "cannot be read: %s", err)
		return
	}
	_ = f.Close()
}

// orList is a, b or c.
func orList(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// finite tells a number that can be a rate.
func finite(n float64) bool { return n > 0 && n <= math.MaxInt32 }
