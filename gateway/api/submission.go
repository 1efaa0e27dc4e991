package api

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"mmsgw/gateway"
)

// Bounds of what a message's JSON may list or name; beyond them a field is
// invalid, whatever its elements say.
const (
	maxShort   = 64      // bytes of a number, an account, an id, a word
	maxType    = 127     // bytes of a declared media type (RFC 6838, 4.2)
	maxTo      = 100_000 // recipients counted
	maxMedia   = 1_000   // pictures counted
	maxLooked  = 64      // pictures looked at
	maxPointer = 64      // bytes of an unknown key told
)

// draft is a message's JSON as decoded: the submission, and what only this
// room deals with.
type draft struct {
	gateway.Submission
	items  []item
	dryRun bool
	failed map[string]bool // top fields that were there, but wrong
}

// item is one member of "media".
type item struct {
	id, kind, name string
	data           []byte // base64 still
	hasData, wrong bool
}

// decoder reads a message's JSON. Faults of single fields are collected, so
// that all are told at once; what makes the whole unreadable is an error.
type decoder struct {
	scanner
	draft
	unknown string // JSON Pointer of the first field that does not exist
}

// decodeDraft reads the JSON of a submission. The text is used up: strings are
// unescaped in it, and item.data are slices of it.
func decodeDraft(text []byte) (*draft, error) {
	d := newDecoder(text)
	d.Report, d.Priority = true, gateway.Normal
	return &d.draft, d.whole("an object, the message", messageFields, d.member)
}

func newDecoder(text []byte) *decoder {
	d := &decoder{scanner: scanner{text: text}}
	d.failed = map[string]bool{}
	return d
}

// whole reads a text that is one object of known fields, calling member before
// the value of each.
func (d *decoder) whole(what string, fields []string, member func(key string) error) error {
	if err := d.start(); err != nil {
		return err
	}
	if d.peek() != '{' {
		return d.unexpected(what)
	}
	if err := d.fields("", fields, member); err != nil {
		return err
	}
	if err := d.end(); err != nil {
		return err
	}
	if d.unknown != "" {
		return unknownField(d.unknown)
	}
	return nil
}

// fields reads an object, calling member before the value of each field that is
// known and not null, which is as if left out.
func (d *decoder) fields(path string, fields []string, member func(key string) error) error {
	var seen keys
	return d.object(func(key []byte, at int) error {
		field, err := d.first(&seen, fields, key, at, path)
		if err != nil {
			return err
		}
		if d.peek(); field == "" {
			return d.skip()
		}
		if d.word("null") {
			return nil
		}
		return member(field)
	})
}

// The fields of a message and of a picture in it.
var (
	messageFields = []string{"account", "from", "to", "channel", "subject", "text", "media", "delivery_report",
		"read_report", "send_at", "expires_in", "priority", "reference", "dry_run"}
	mediaFields = []string{"id", "data", "type", "name"}
)

// keys remembers which of a list of fields came already, one bit each.
type keys uint16

// first is the field that a key names, empty where there is none, and refuses
// one that comes twice.
func (d *decoder) first(seen *keys, fields []string, key []byte, at int, path string) (field string, err error) {
	i := slices.Index(fields, string(key))
	if i < 0 {
		if d.unknown == "" {
			d.unknown = path + "/" + pointerToken(key)
		}
		return "", nil
	}
	if *seen&(1<<i) != 0 {
		return "", d.fail(at, fmt.Sprintf("%q comes twice", fields[i]))
	}
	*seen |= 1 << i
	return fields[i], nil
}

// pointerToken is a key as a JSON Pointer spells it, bounded, without what no
// answer should repeat.
func pointerToken(key []byte) string {
	if len(key) > maxPointer {
		key = key[:maxPointer]
	}
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, string(key))
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(clean)
}

// member reads the value of one field of a message.
func (d *decoder) member(key string) error {
	switch key {
	case "account":
		return d.short("/account", &d.Account)
	case "from":
		return d.short("/from", &d.From)
	case "to":
		return d.recipients()
	case "channel":
		return d.choice("/channel", &d.Channel, "auto", "mms", "sms")
	case "subject":
		return d.text("/subject", "", &d.Subject)
	case "text":
		return d.text("/text", "\n\r\t", &d.Text)
	case "media":
		return d.media()
	case "delivery_report":
		return d.bool("/delivery_report", &d.Report)
	case "read_report":
		return d.bool("/read_report", &d.Read)
	case "dry_run":
		return d.bool("/dry_run", &d.dryRun)
	case "send_at":
		return d.departure()
	case "expires_in":
		return d.validity()
	case "priority":
		return d.priority()
	default:
		return d.line("/reference", gateway.MaxReference, &d.Reference)
	}
}

// fault collects what is wrong with a field.
func (d *draft) fault(code, field, message string) {
	d.failed[field] = true
	d.Faults = append(d.Faults, gateway.Flag{Code: code, Severity: gateway.Block, Field: field, Message: message})
}

func (d *draft) invalid(field, message string) { d.fault("field_invalid", field, message) }

// str reads a string; ok is false, and the field at fault, where another kind
// of value stands or a surrogate lacks its other half.
func (d *decoder) str(field string) (value []byte, ok bool, err error) {
	if d.peek() != '"' {
		d.invalid(field, "This must be a string.")
		return nil, false, d.skip()
	}
	value, broken, err := d.string("a string")
	if err == nil && broken {
		d.invalid(field, "This holds half of a surrogate pair, which is no character. Write the character itself.")
	}
	return value, err == nil && !broken, err
}

// short reads a name, a number or an id: what is never long nor holds control
// characters.
func (d *decoder) short(field string, out *string) error { return d.line(field, maxShort, out) }

// line reads what has no control characters and at most so many bytes.
func (d *decoder) line(field string, limit int, out *string) error {
	value, ok, err := d.str(field)
	if !ok {
		return err
	}
	if len(value) > limit || !plain(string(value), "") {
		d.invalid(field, fmt.Sprintf("This must be at most %d bytes, without control characters.", limit))
		return nil
	}
	*out = string(value)
	return nil
}

// plain tells whether a string is UTF-8 without control characters, but for
// those in except, and without what XML 1.0 (section 2.2) or a database can't
// hold.
func plain(s, except string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < ' ' || r == 0x7f || r == 0xFFFE || r == 0xFFFF) && !strings.ContainsRune(except, r)
	})
}

func (d *decoder) choice(field string, out *string, words ...string) error {
	value, ok, err := d.str(field)
	if !ok {
		return err
	}
	i := slices.Index(words, string(value))
	if i < 0 {
		d.invalid(field, "This must be one of "+strings.Join(words, ", ")+".")
		return nil
	}
	*out = words[i]
	return nil
}

// text reads what a phone shows. XML carries it, so characters that XML can't
// hold are refused rather than dropped.
func (d *decoder) text(field, except string, out *string) error {
	value, ok, err := d.str(field)
	if !ok {
		return err
	}
	if text := string(value); plain(text, except) {
		*out = text
		return nil
	}
	d.invalid(field, "This holds control characters, which no phone can show. Only the text may have line breaks and tabs.")
	return nil
}

func (d *decoder) bool(field string, out *bool) error {
	d.peek()
	switch {
	case d.word("true"):
		*out = true
	case d.word("false"):
		*out = false
	default:
		d.invalid(field, "This must be true or false.")
		return d.skip()
	}
	return nil
}

func (d *decoder) priority() error {
	word := ""
	if err := d.choice("/priority", &word, "low", "normal", "high"); err != nil || word == "" {
		return err
	}
	d.Priority = map[string]gateway.Priority{"low": gateway.Low, "normal": gateway.Normal, "high": gateway.High}[word]
	return nil
}

// departure reads when the message is to leave, to the microsecond that is kept.
func (d *decoder) departure() error {
	value, ok, err := d.str("/send_at")
	if !ok {
		return err
	}
	at, ok := parseTime(string(value))
	if !ok {
		d.fault("send_at_invalid", "/send_at", "This must be a time with its zone, as RFC 3339 has it: 2026-12-01T15:00:00Z.")
		return nil
	}
	d.SendAt = at
	return nil
}

// parseTime reads RFC 3339 and nothing near it. Times that UTC can't tell in
// four digits of a year are none, nor is the one that stands for no time.
func parseTime(s string) (t time.Time, ok bool) {
	if len(s) > maxShort || t.UnmarshalText([]byte(s)) != nil {
		return t, false
	}
	t = utc(t)
	return t, t.Year() >= 1 && t.Year() <= 9999 && !t.IsZero()
}

func (d *decoder) validity() error {
	value, ok, err := d.str("/expires_in")
	if !ok {
		return err
	}
	v, ok := parseDuration(string(value))
	if !ok || v <= 0 {
		d.fault("expires_in_invalid", "/expires_in", "This must be a duration from 1m to 7d, such as 90m, 24h or 7d.")
		return nil
	}
	d.ExpiresIn = v
	return nil
}

// parseDuration reads Go's durations and whole days before them: 90m, 1h30m, 7d.
func parseDuration(s string) (time.Duration, bool) {
	if len(s) > maxShort {
		return 0, false
	}
	var days int
	if before, after, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(before, 10, 16)
		if err != nil {
			return 0, false
		}
		if days, s = int(n), after; s == "" {
			s = "0s"
		}
	}
	rest, err := time.ParseDuration(s)
	return time.Duration(days)*24*time.Hour + rest, err == nil && rest >= 0
}

// recipients reads "to". An element that is wrong keeps its place, so that
// every flag's index is the caller's.
func (d *decoder) recipients() error {
	if d.peek() != '[' {
		d.invalid("/to", "This must be a list of numbers.")
		return d.skip()
	}
	n := 0
	err := d.array(func(i int) error {
		if n = i + 1; n > gateway.MaxRecipients {
			if n <= maxTo {
				d.To = append(d.To, "")
			}
			return d.skip()
		}
		to := ""
		err := d.short("/to/"+strconv.Itoa(i), &to)
		d.To = append(d.To, to)
		return err
	})
	if n > maxTo {
		d.invalid("/to", fmt.Sprintf("There are more than %d recipients. Split the message.", maxTo))
	}
	return err
}

// media reads "media".
func (d *decoder) media() error {
	if d.peek() != '[' {
		d.invalid("/media", "This must be a list of pictures.")
		return d.skip()
	}
	n := 0
	err := d.array(func(i int) error {
		if n = i + 1; n > maxLooked {
			if n <= maxMedia {
				d.items = append(d.items, item{wrong: true})
			}
			return d.skip()
		}
		it, err := d.picture("/media/" + strconv.Itoa(i))
		d.items = append(d.items, it)
		return err
	})
	if n > maxMedia {
		d.invalid("/media", fmt.Sprintf("There are more than %d pictures; the limit is %d.", maxMedia, gateway.MaxImages))
	}
	return err
}

func (d *decoder) picture(field string) (it item, err error) {
	if d.peek() != '{' {
		d.invalid(field, `This must be an object: {"id": …} or {"data": …, "type": …, "name": …}.`)
		return item{wrong: true}, d.skip()
	}
	err = d.fields(field, mediaFields, func(key string) error {
		var err error
		ok := true
		switch key {
		case "id":
			err = d.short(field+"/id", &it.id)
		case "data":
			it.data, ok, err = d.str(field + "/data")
			it.hasData, it.wrong = true, it.wrong || !ok
		case "type":
			it.kind, err = d.kind(field + "/type")
		default:
			var name []byte
			if name, ok, err = d.str(field + "/name"); ok {
				it.name = d.name(field+"/name", string(name))
			}
		}
		return err
	})
	if err == nil {
		d.oneOf(field, &it)
	}
	return it, err
}

// oneOf: a picture is a stored one or its bytes.
func (d *decoder) oneOf(field string, it *item) {
	bad := d.failed[field+"/id"] || it.wrong
	switch {
	case bad:
		it.wrong = true
	case it.id == "" && !it.hasData:
		it.wrong = true
		d.fault("field_missing", field, "Name a stored picture by id, or give its bytes as data in base64.")
	case it.id != "" && it.hasData:
		it.wrong = true
		d.invalid(field, "Give id or data, not both.")
	}
}

func (d *decoder) kind(field string) (string, error) {
	value, ok, err := d.str(field)
	if !ok {
		return "", err
	}
	kind := string(value)
	if len(kind) > maxType || !plain(kind, "") {
		d.invalid(field, "This must be a media type, such as image/png.")
		return "", nil
	}
	return declared(kind), nil
}

// declared is a declared type as it is compared: lower case, without
// parameters, the old names made new, and empty where it says nothing.
func declared(kind string) string {
	kind, _, _ = strings.Cut(kind, ";")
	switch kind = strings.ToLower(strings.TrimSpace(kind)); kind {
	case "image/jpg", "image/pjpeg":
		return "image/jpeg"
	case "image/x-png":
		return "image/png"
	case "application/octet-stream", "binary/octet-stream":
		return ""
	}
	return kind
}

// name judges a picture's name; it is kept, never sent.
func (d *draft) name(field, name string) string {
	if len(name) > gateway.MaxName || !utf8.ValidString(name) || strings.ContainsAny(name, "\r\n\x00") {
		d.invalid(field, fmt.Sprintf("A name must be UTF-8 of at most %d bytes, without line breaks and NUL.", gateway.MaxName))
		return ""
	}
	return name
}

// bytes decodes base64, with padding or without (RFC 4648, section 4).
func (it *item) bytes() ([]byte, error) {
	code := base64.RawStdEncoding
	if bytes.HasSuffix(it.data, []byte("=")) {
		code = base64.StdEncoding
	}
	out := make([]byte, code.DecodedLen(len(it.data)))
	n, err := code.Decode(out, it.data)
	return out[:n:n], err
}
