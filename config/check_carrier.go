package config

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	carrierName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	xmlPrefix   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	contentID   = regexp.MustCompile(`^[A-Za-z0-9._/-]+(@[A-Za-z0-9.-]+)?$`)
)

// carrierNames are the names that may be referred to, each with its protocol,
// and a sentence on them.
type carrierNames struct {
	known map[string]string
	say   string
}

func sayNames(known map[string]string) string {
	if len(known) == 0 {
		return "none is configured"
	}
	names := slices.Sorted(maps.Keys(known))
	if len(names) > 10 {
		names = append(names[:10], "…")
	}
	return "there are: " + strings.Join(names, ", ")
}

func (r *reader) checkCarrierNames(path string, names []string, carriers carrierNames) {
	for i, name := range names {
		if _, ok := carriers.known[name]; !ok {
			r.fault(fmt.Sprintf("%s[%d]", path, i), "no carrier has this name; %s", carriers.say)
		}
	}
}

// checkCarriers returns the names that routes and numbers may use, those of
// carriers with faults included.
func (r *reader) checkCarriers(carriers []Carrier, o Options) carrierNames {
	names, seen := map[string]string{}, map[string]string{}
	for i := range carriers {
		c, path := &carriers[i], fmt.Sprintf("carriers[%d]", i)
		if r.faulty[path] {
			continue
		}
		if r.need(path+".name", c.Name, "every carrier has a name, such as north") {
			names[c.Name] = c.Protocol
			r.unique(path+".name", c.Name, seen)
			if !carrierName.MatchString(c.Name) {
				r.fault(path+".name", "must be 1 to 32 of a-z 0-9 -")
			}
		}
		switch c.Protocol {
		case "mm7":
			r.checkMM7(path, c, o)
		case "smpp":
			r.fault(path+".protocol", "smpp carriers are not part of this release; only mm7 is")
		case "":
			r.need(path+".protocol", "", "write mm7")
		default:
			r.fault(path+".protocol", "must be mm7")
		}
	}
	return carrierNames{names, sayNames(names)}
}

func (r *reader) checkMM7(path string, c *Carrier, o Options) {
	for _, key := range []string{"address", "system_id", "password_file", "bind", "binds"} {
		if r.has(path + "." + key) {
			r.fault(path+"."+key, "belongs to protocol smpp; an mm7 carrier has url, auth and reports")
		}
	}
	r.need(path+".url", c.URL.Reveal(), "where the carrier takes messages: https://mmsc.example/mm7")
	if len(o.Dialects) > 0 {
		r.oneOf(path+".dialect", c.Dialect, o.Dialects...)
	}
	r.checkQuirks(path+".quirks.", c.Quirks)
	if c.Auth.Basic != nil {
		r.checkBasic(path+".auth.basic", c.Auth.Basic)
	}
	r.checkReports(path+".reports", &c.Reports)
	r.positive(path+".timeouts.connect", c.Timeouts.Connect)
	r.positive(path+".timeouts.response", c.Timeouts.Response)
	r.positive(path+".timeouts.report", c.Timeouts.Report)
	r.checkLimits(path+".limits.", c.Limits)
	r.checkRetry(path+".retry.", c.Retry)
	r.checkOutcomes(path+".outcomes", c)
}

func (r *reader) checkQuirks(path string, q Quirks) {
	if q.NumberFormat != nil {
		r.oneOf(path+"number_format", *q.NumberFormat, "e164plus", "e164")
	}
	if q.TransferEncoding != nil {
		r.oneOf(path+"transfer_encoding", *q.TransferEncoding, "binary", "base64")
	}
	if q.XMLStyle != nil {
		r.oneOf(path+"xml_style", *q.XMLStyle, "default", "prefix", "root")
	}
	if q.SOAPAction != nil && strings.ContainsFunc(*q.SOAPAction, func(c rune) bool { return c > '~' }) {
		r.fault(path+"soap_action", "must be ASCII; it becomes an HTTP header")
	}
	if q.EnvelopePrefix != nil && !xmlPrefix.MatchString(*q.EnvelopePrefix) {
		r.fault(path+"envelope_prefix", "must be an XML prefix, such as soapenv")
	}
	if q.EnvelopeContentID != nil && !contentID.MatchString(*q.EnvelopeContentID) {
		r.fault(path+"envelope_content_id", "must be a Content-ID without <>: letters, digits, . _ - / and at most one @")
	}
}

func (r *reader) checkReports(path string, s *Reports) {
	switch {
	case s.Basic != nil && s.Open:
		r.fault(path+".open", "contradicts basic: open means that no credentials are asked for; remove one")
	case s.Basic != nil:
		r.checkBasic(path+".basic", s.Basic)
	case s.Open:
		r.warn(path+".open", "anyone who reaches the listener can report for this carrier; this is for tests")
	case !r.broken[path]:
		r.fault(path, "the carrier needs credentials to report to us: basic: {username: …, password_file: …}; or open: true, for tests")
	}
	seen := map[string]string{}
	for i, word := range s.MessageID {
		at := fmt.Sprintf("%s.message_id[%d]", path, i)
		r.oneOf(at, word, "ignore_case", "ignore_leading_zeros")
		r.unique(at, word, seen)
	}
}

// checkBasic reads the password, so that a missing file is found here and not
// at the first message.
func (r *reader) checkBasic(path string, b *Basic) {
	if r.need(path+".username", b.Username, "the name to log in with") && strings.Contains(b.Username, ":") {
		r.fault(path+".username", "must not hold a colon, which HTTP Basic uses itself")
	}
	inFile, inEnv := r.has(path+".password_file"), r.has(path+".password")
	switch {
	case inFile && inEnv:
		r.fault(path+".password", "is given by password_file already; remove one")
	case inEnv:
		r.checkEnvSecret(path+".password", b.Password)
	case inFile:
		b.PasswordFile = r.path(b.PasswordFile)
		b.Password = r.readSecret(path+".password_file", b.PasswordFile)
	default:
		r.fault(path+".password_file", "is missing; name a file with the password in its first line, or write password: ${NAME}")
	}
}

func (r *reader) checkEnvSecret(path string, s Secret) {
	switch {
	case !r.fromEnv[path]:
		r.fault(path, "must not stand in this file; write ${NAME}, or name a file by password_file")
	case s.Reveal() == "":
		r.fault(path, "is empty in the environment")
	}
}

const maxSecret = 4 << 10

// readSecret is the first line of a file.
func (r *reader) readSecret(path, file string) Secret {
	if r.faulty[path] {
		return Secret{}
	}
	f, err := openRegular(file)
	if err != nil {
		r.fault(path, "cannot be read: %s", err)
		return Secret{}
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	line, _, _ := bytes.Cut(data, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	switch {
	case err != nil:
		r.fault(path, "cannot be read: %s", bare(err))
	case len(line) == 0:
		r.fault(path, "has nothing in its first line, where the password belongs")
	case len(line) > maxSecret:
		r.fault(path, "has a first line of more than %d bytes, which no password is", maxSecret)
	}
	if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o004 != 0 {
		r.warn(path, "can be read by every user of this machine; chmod o-r it")
	}
	return NewSecret(string(line))
}

func (r *reader) checkLimits(path string, l Limits) {
	if !finite(l.PerSecond) {
		r.fault(path+"per_second", "must be more than 0; fractions are fine: 0.5 is one in two seconds")
	}
	r.within(path+"burst", l.Burst, 1, 100_000)
	r.oneOf(path+"count", l.Count, "recipients", "requests")
	r.within(path+"window", l.Window, 1, 1000)
	if l.MaxMessage < 10*KiB || l.MaxMessage > 100*MiB {
		r.fault(path+"max_message", "must be 10KiB to 100MiB; it counts the whole HTTP body")
	}
	r.within(path+"per_day", l.PerDay, 0, 1_000_000_000)
	r.within(path+"max_recipients", l.MaxRecipients, 1, 1000)
	r.checkDayZone(path, l)
}

// checkDayZone leaves a zone alone that is only the default and has no effect:
// a machine without a table of zones runs well without day caps.
func (r *reader) checkDayZone(path string, l Limits) {
	given := r.has(path + "day_zone")
	if !given && l.PerDay == 0 {
		return
	}
	switch _, err := time.LoadLocation(l.DayZone); {
	case err == nil && l.DayZone != "" && l.DayZone != "Local":
	case given:
		r.fault(path+"day_zone", "is not a time zone known here; write its IANA name: America/Los_Angeles")
	default:
		r.fault(path+"day_zone", "is %s when left out, which is not known here, and per_day counts from its midnight; install tzdata, or write UTC", l.DayZone)
	}
}

func (r *reader) checkRetry(path string, t Retry) {
	r.positive(path+"first", t.First)
	if t.Max < t.First {
		at := path + "max"
		if !r.has(at) {
			at = path + "first"
		}
		r.fault(at, "the wait before the first retry (first: %s) is longer than the longest (max: %s)", t.First, t.Max)
	}
	r.within(path+"attempts", t.Attempts, 0, 1_000_000)
	r.oneOf(path+"unknown", t.Unknown, "wait_for_report", "resend", "hold")
	r.positive(path+"unknown_wait", t.UnknownWait)
	r.oneOf(path+"then", t.Then, "resend", "hold")
	r.within(path+"resend_max", t.ResendMax, 0, 1_000_000)
	r.oneOf(path+"resend_id", t.ResendID, "same", "new")
}
