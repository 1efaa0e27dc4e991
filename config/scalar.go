package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// scalar is a type read from one YAML scalar. The error goes on from the value,
// as in `"5x" is not a duration; ...`, and does not repeat it.
type scalar interface{ set(text string) error }

// Size is a number of bytes. In the file: plain bytes, or a whole number of
// KiB, MiB or GiB. Decimal units are refused, since carriers and libraries
// disagree about what KB means.
type Size int64

// The units of Size.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
)

var units = []struct {
	name string
	size Size
}{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}}

// String is the shortest exact form, as the file takes it.
func (s Size) String() string {
	for _, u := range units {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

func (s *Size) set(text string) error {
	digits, unit := text, Size(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			digits, unit = rest, u.size
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		return errors.New("is not a size; write whole bytes or KiB, MiB, GiB: 600000, 600KiB, 1MiB")
	}
	if Size(n) > math.MaxInt64/unit {
		return errors.New("is too large for a size")
	}
	*s = Size(n) * unit
	return nil
}

// Duration is a length of time. In the file: as in Go, with d for days of 24
// hours in front: 500ms, 15m, 1h30m, 7d.
type Duration time.Duration

// D is the duration as the standard library's type.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String is the form of the file, without the units that are 0: 1h30m, 72h.
func (d Duration) String() string {
	text := d.D().String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

var errDuration = errors.New("is not a duration; write a number and its unit: 500ms, 5s, 15m, 24h, 7d")

func (d *Duration) set(text string) error {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		days, rest = "0", text
	} else if rest == "" {
		rest = "0s"
	}
	n, err := strconv.ParseUint(days, 10, 16)
	v, err2 := time.ParseDuration(rest)
	if err != nil || err2 != nil || strings.ContainsAny(rest, "+-") {
		return errDuration
	}
	total := time.Duration(n)*24*time.Hour + v
	if n > 36500 || total < v {
		return errors.New("is too long a duration")
	}
	*d = Duration(total)
	return nil
}

// Secret is text that is never printed: every fmt verb, slog and JSON show ***
// in its place. The text hides behind a pointer, so that it stays hidden even
// where fmt cannot call methods, as in unexported fields.
type Secret struct{ text *string }

// NewSecret hides text.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal is the text itself, empty for the zero Secret.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String is *** or, where there is nothing to hide, empty.
func (s Secret) String() string {
	if s.Reveal() == "" {
		return ""
	}
	return "***"
}

// Format keeps every verb, %#v and %d among them, from looking inside.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String; JSON uses it too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s *Secret) set(text string) error {
	if *s = NewSecret(text); text == "" {
		*s = Secret{}
	}
	return nil
}

// Phone is a number of ours in E.164, complete as a string conversion, masked
// when printed or logged.
type Phone string

// String is the number with all but its last four digits hidden.
func (p Phone) String() string {
	if len(p) <= 4 {
		return "…"
	}
	return "…" + string(p[len(p)-4:])
}

// Format keeps every verb from showing more than String.
func (p Phone) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// LogValue is String.
func (p Phone) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText is String; JSON uses it too.
func (p Phone) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

func (p *Phone) set(text string) error {
	if !e164.MatchString(text) {
		return errors.New(`is not a number in E.164; write +, the country code and the rest, digits only, in quotes: "+12125550100"`)
	}
	*p = Phone(text)
	return nil
}

// set reads an item of numbers that is the number alone.
func (n *Number) set(text string) error { return n.Number.set(text) }

// URL is a carrier's http or https address. Some carriers want credentials in
// its path or query, so printing shows scheme and host alone.
type URL struct{ text Secret }

// Reveal is the whole URL.
func (u URL) Reveal() string { return u.text.Reveal() }

// String is scheme and host.
func (u URL) String() string {
	v, err := url.Parse(u.Reveal())
	if err != nil || v.Host == "" {
		return ""
	}
	return v.Scheme + "://" + v.Host
}

// LogValue is String.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText is String; JSON uses it too.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

func (u *URL) set(text string) error {
	v, err := url.Parse(text)
	switch {
	case err != nil, v.Scheme != "http" && v.Scheme != "https", v.Hostname() == "":
		return errors.New("is not a carrier's address; write http:// or https://, a host and a path: https://mmsc.example/mm7")
	case v.User != nil:
		return errors.New("must not hold a user or password; put them under auth.basic")
	case v.Fragment != "":
		return errors.New("must not hold a fragment (#…), which is never sent")
	case !validPort(v.Port()):
		return errors.New("has a port outside 1 to 65535")
	}
	u.text = NewSecret(text)
	return nil
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

// Address is where a listener listens: Network unix with a path, or tcp with
// host:port. Port 0 takes a free one.
type Address struct{ Network, Addr string }

// String is the form of the file.
func (a Address) String() string { return a.Network + ":" + a.Addr }

func (a *Address) set(text string) error {
	network, addr, _ := strings.Cut(text, ":")
	switch {
	case network == "unix" && addr != "":
	case network == "tcp" && validHostPort(addr):
	default:
		return errors.New("is not an address to listen on; write unix:PATH or tcp:HOST:PORT, such as tcp:127.0.0.1:8081")
	}
	*a = Address{network, addr}
	return nil
}

func validHostPort(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// Code is what a carrier answered with, in the words of the log: an MM7
// StatusCode, as 4030, or the HTTP code of an answer without one, as http-503.
// In the file a number or text; empty: any.
type Code string

var codes = []struct {
	prefix    string
	low, high uint64
}{{"http-", 100, 599}, {"", 1, 9999}}

func (c *Code) set(text string) error {
	for _, form := range codes {
		digits, ok := strings.CutPrefix(text, form.prefix)
		n, err := strconv.ParseUint(digits, 10, 16)
		if ok && err == nil && strconv.FormatUint(n, 10) == digits && n >= form.low && n <= form.high {
			*c = Code(text)
			return nil
		}
	}
	return errors.New("is not a code; write a StatusCode, 1 to 9999, or http- and the HTTP code, 100 to 599: 4030, http-503")
}

// Prefix is a range of source addresses; a single address is a range of one.
type Prefix struct{ netip.Prefix }

func (p *Prefix) set(text string) error {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		p.Prefix = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	v, err := netip.ParsePrefix(text)
	if err != nil {
		return errors.New("is not a range of addresses; write 192.0.2.0/24, 2001:db8::/32 or a single address")
	}
	if v != v.Masked() {
		return fmt.Errorf("has bits set after its prefix; write %s, or the address alone", v.Masked())
	}
	p.Prefix = v
	return nil
}
