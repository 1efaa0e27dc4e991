package gateway

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"mmsgw/capability"
)

// Rules are the parts of the configuration that eligibility reads.
type Rules struct {
	Accounts map[string]*Account
	Routes   []Route
	Unknown  Severity // of a capability that is not known
	Failed   Severity // of a lookup that could not be asked
	// Recalling are the carriers that can be asked to cancel what they took.
	Recalling []string
}

const trial = capability.Trial

// Verdict is all that a check says, and all that a send needs: check and
// Submit read the same one.
type Verdict struct {
	Flags   []Flag // every flag, sorted
	MMS     []Flag // those that speak of numbers and account, whatever the content
	From    Party
	To      []Party
	Channel Channel
	Bytes   int64 // of the images
	Images  int
	Cap     int64 // the smallest cap of the carriers chosen; 0 where none is known

	message *Message // as it would be accepted
}

// Party is what is known of one of the two ends.
type Party struct {
	Input     string
	Numbering Numbering
	Profile   capability.Profile
	Lookup    error    // why there is no profile
	Carrier   string   // a recipient's
	Spare     []string // and those for failover
	Cap       int64
	Flags     []Flag
}

// Sendable tells whether the message could go.
func (v *Verdict) Sendable() bool { return !Blocked(v.Flags) }

// OnlyLookupFailed tells whether nothing but an unreachable lookup refuses:
// the caller may simply try again.
func (v *Verdict) OnlyLookupFailed() bool {
	for _, f := range v.Flags {
		if f.Severity == Block && f.Code != "capability_lookup_failed" {
			return false
		}
	}
	return !v.Sendable()
}

// exam is one examination under way.
type exam struct {
	g       *Gateway
	rules   *Rules
	s       *Submission
	account *Account
	own     OwnNumber
	v       *Verdict
}

// Check runs every check on a submission and tells every flag at once. Nothing
// is stored or sent. An error says that the storage did not answer.
func (g *Gateway) Check(ctx context.Context, s *Submission) (*Verdict, error) {
	rules := g.Rules.Load()
	e := &exam{g: g, rules: rules, s: s, account: rules.Accounts[s.Account], v: &Verdict{}}
	e.v.Channel = e.channel()
	e.v.Flags = append(e.v.Flags, s.Faults...)
	e.standing()
	e.numbers(ctx)
	if err := e.consent(ctx); err != nil {
		return nil, err
	}
	e.content()
	e.times()
	e.routes()
	e.assemble()
	e.fit()
	e.collect()
	return e.v, nil
}

// channel: media or a subject mean MMS, else SMS; never the other silently.
func (e *exam) channel() Channel {
	switch {
	case e.s.Channel == "sms":
		return SMS
	case e.s.Channel == "mms", len(e.s.Media) > 0, e.s.Subject != "":
		return MMS
	default:
		return SMS
	}
}

func (e *exam) flag(code, field string, value any, message string) {
	e.v.Flags = append(e.v.Flags, Flag{Code: code, Severity: Block, Field: field, Value: value, Message: message})
}

// both adds a flag that speaks of account or numbers: it stands at the top and
// under "mms".
func (e *exam) both(f Flag) {
	e.v.Flags = append(e.v.Flags, f)
	e.v.MMS = append(e.v.MMS, f)
}

func (e *exam) standing() {
	if e.s.Account == "" {
		return // account_required is the decoder's: it knows who asks
	}
	block := func(code, message string) {
		e.both(Flag{Code: code, Severity: Block, Field: "/account", Value: e.s.Account, Message: message})
	}
	if e.account == nil {
		block("account_unknown", "There is no such account. Use an account of the configuration.")
		return
	}
	st := e.account.Standing
	if st.Plan == capability.Trial {
		block("account_trial", "Messages are turned off during the trial. Upgrade to send MMS and SMS.")
	}
	if st.OutOfCredit() {
		block("account_out_of_credit", "The credit has run out. Add credit to send MMS and SMS.")
	}
	if st.Suspended {
		block("account_suspended", "Sending is paused for this account. Contact support.")
	}
	if !st.MMSEnabled {
		f := Flag{Code: "account_mms_not_enabled", Severity: Block, Field: "/account", Value: e.s.Account,
			Message: "Picture messages are not turned on for this account. Ask support to enable them."}
		e.v.MMS = append(e.v.MMS, f)
		if e.v.Channel == MMS {
			e.v.Flags = append(e.v.Flags, f)
		}
	}
	if !st.SMSEnabled && e.v.Channel == SMS {
		e.flag("account_sms_not_enabled", "/account", e.s.Account, "Text messages are not turned on for this account. Ask support to enable them.")
	}
}

// numbers places both ends, looks both up in one go, and flags each.
func (e *exam) numbers(ctx context.Context) {
	region := ""
	if e.account != nil {
		region = e.account.DefaultRegion
	}
	e.v.From = Party{Input: e.s.From, Numbering: ParseNumber(e.s.From, region)}
	for _, to := range e.s.To[:min(len(e.s.To), MaxRecipients)] {
		e.v.To = append(e.v.To, Party{Input: to, Numbering: ParseNumber(to, region)})
	}
	e.lookup(ctx)
	if e.s.From == "" {
		e.missing("from", "/from", "Say which of your numbers sends the message.")
	} else {
		e.number(&e.v.From, "from", "/from")
		e.ownership()
	}
	if len(e.s.To) == 0 {
		e.missing("to", "/to", "Name at least one recipient.")
	}
	if len(e.s.To) > MaxRecipients {
		e.flag("too_many_recipients", "/to", len(e.s.To), fmt.Sprintf("There are %d recipients; the limit is %d. Split the message.", len(e.s.To), MaxRecipients))
	}
	seen := map[Number]int{}
	for i := range e.v.To {
		p, field := &e.v.To[i], "/to/"+strconv.Itoa(i)
		e.number(p, "to", field)
		n := p.Numbering.Number
		if first, ok := seen[n]; ok && n != "" {
			e.party(p, Flag{Code: "duplicate_recipient", Severity: Block, Field: field, Value: p.Input, Message: fmt.Sprintf("This is the same number as recipient %d. Name each once.", first)})
		} else {
			seen[n] = i
		}
	}
}

func (e *exam) missing(name, field, message string) {
	for _, f := range e.s.Faults {
		if f.Field == field {
			return // it was there, only wrong
		}
	}
	f := Flag{Code: "field_missing", Severity: Block, Field: field, Message: message}
	if name == "from" {
		e.party(&e.v.From, f)
		return
	}
	e.both(f)
}

// lookup asks what both ends can do: one call, so that the room behind it can
// ask in parallel under one deadline.
func (e *exam) lookup(ctx context.Context) {
	var parties []*Party
	var numbers []string
	for _, p := range append([]*Party{&e.v.From}, pointers(e.v.To)...) {
		if p.Numbering.Problem == NumberFine && p.Numbering.Number != "" {
			parties, numbers = append(parties, p), append(numbers, p.Numbering.Number.E164())
		}
	}
	if len(numbers) == 0 {
		return
	}
	for i, r := range e.g.Numbers.Lookup(ctx, numbers) {
		parties[i].Profile, parties[i].Lookup = r.Profile, r.Err
	}
}

func pointers(parties []Party) []*Party {
	p := make([]*Party, len(parties))
	for i := range parties {
		p[i] = &parties[i]
	}
	return p
}

// party adds a flag that speaks of one end.
func (e *exam) party(p *Party, f Flag) {
	p.Flags = append(p.Flags, f)
	e.both(f)
}

// number flags one end: can it exist, does it take messages, is it in the
// United States or Canada, and does it take pictures.
func (e *exam) number(p *Party, side, field string) {
	add := func(code string, sev Severity, message string) {
		e.party(p, Flag{Code: side + code, Severity: sev, Field: field, Value: p.Input, Message: message})
	}
	n := p.Numbering
	switch n.Problem {
	case NumberInvalid:
		add("_invalid", Block, "This is not a complete phone number. Use +1 and ten digits.")
		return
	case NumberNotMessageable:
		add("_not_messageable", Block, "This is a service number or short code; it takes no messages.")
		return
	case NumberForeign:
		add("_unsupported_region", Block, fmt.Sprintf("Messages go only between numbers of the United States and Canada. This one belongs to %s.", n.Country))
		return
	}
	if n.Territory {
		add("_territory", Warn, fmt.Sprintf("This number is in %s. Whether picture messages arrive there depends on the carrier.", n.Country))
	}
	e.capability(p, side, field)
}

// capability flags what the lookup said: no, not known, or no answer at all.
func (e *exam) capability(p *Party, side, field string) {
	f := Flag{Severity: Block, Field: field, Value: p.Input}
	who := map[string]string{"from": "Choose another sending number.", "to": "Send text only, or choose another recipient."}[side]
	switch {
	case p.Lookup != nil:
		f.Code, f.Severity = "capability_lookup_failed", e.rules.Failed
		f.Message = "Whether this number takes picture messages could not be asked just now. Try again in a moment."
	case p.Profile.MMS == capability.No:
		f.Code, f.Message = side+"_not_mms_capable", "This number can't take picture messages. "+who
	case p.Profile.MMS == capability.Unknown:
		f.Code, f.Severity = side+"_capability_unknown", e.rules.Unknown
		f.Message = "Nobody could say whether this number takes picture messages. " + who
	default:
		return
	}
	e.forPictures(p, f)
}

// forPictures adds a flag of one end that no text alone has to heed.
func (e *exam) forPictures(p *Party, f Flag) {
	e.v.MMS = append(e.v.MMS, f)
	if e.v.Channel == MMS {
		p.Flags, e.v.Flags = append(p.Flags, f), append(e.v.Flags, f)
	}
}

func (e *exam) ownership() {
	p := &e.v.From
	if e.account == nil || p.Numbering.Problem != NumberFine {
		return
	}
	own, ok := e.account.Numbers[p.Numbering.Number]
	if !ok {
		e.party(p, Flag{Code: "from_not_owned", Severity: Block, Field: "/from", Value: p.Input, Message: "This is not one of the account's numbers."})
		return
	}
	e.own = own
	if own.Kind == "" {
		e.own.Kind = p.Numbering.Kind
	}
	if !own.Registered {
		e.party(p, Flag{Code: "from_not_registered", Severity: Block, Field: "/from", Value: p.Input, Message: "This number is not registered with the carriers for business messages. Contact support."})
	}
}

// content judges text, subject and pictures.
func (e *exam) content() {
	s := e.s
	if strings.TrimSpace(s.Text) == "" && len(s.Media) == 0 {
		e.flag("empty_message", "/text", nil, "Add text or at least one image.")
	}
	if n := utf8.RuneCountInString(s.Text); n > MaxText {
		e.flag("text_too_long", "/text", n, fmt.Sprintf("The text is %d characters; the limit is %d.", n, MaxText))
	}
	if n := utf8.RuneCountInString(s.Subject); n > MaxSubject {
		e.flag("subject_too_long", "/subject", n, fmt.Sprintf("The subject is %d characters; the limit is %d.", n, MaxSubject))
	}
	if n := len(s.Media); n > MaxImages {
		e.flag("too_many_images", "/media", n, fmt.Sprintf("There are %d images; the limit is %d. Remove %d.", n, MaxImages, n-MaxImages))
	}
	e.v.Images = len(s.Media)
	for i, u := range s.Media {
		e.v.Bytes += u.Size
		e.picture(u, "/media/"+strconv.Itoa(i))
	}
	if e.v.Bytes > MaxMediaBytes {
		e.flag("total_too_large", "/media", map[string]int64{"size": e.v.Bytes, "limit": MaxMediaBytes},
			fmt.Sprintf("The images are %d bytes together; the limit is %d. Remove or shrink %d bytes.", e.v.Bytes, MaxMediaBytes, e.v.Bytes-MaxMediaBytes))
	}
}

// times judges when it is to leave and how long it is worth it.
func (e *exam) times() {
	s, now := e.s, e.g.Now()
	switch {
	case s.SendAt.IsZero():
	case s.SendAt.Before(now):
		e.flag("send_at_invalid", "/send_at", s.SendAt, "This time is over. Name a later one, or leave it out to send at once.")
	case s.SendAt.After(now.Add(MaxAhead)):
		e.flag("send_at_invalid", "/send_at", s.SendAt, "This is more than 30 days ahead. Name an earlier time.")
	}
	if s.ExpiresIn != 0 && (s.ExpiresIn < MinValidity || s.ExpiresIn > MaxValidity) {
		e.flag("expires_in_invalid", "/expires_in", s.ExpiresIn.String(), "The validity must be between 1m and 7d.")
	}
}

// consent flags those who have said that they want nothing from this sender.
func (e *exam) consent(ctx context.Context) error {
	from := e.v.From.Numbering
	if e.account == nil || from.Problem != NumberFine || len(e.v.To) == 0 {
		return nil
	}
	numbers := make([]Number, len(e.v.To))
	for i := range e.v.To {
		numbers[i] = e.v.To[i].Numbering.Number
	}
	out, err := e.g.Consent.OptedOut(ctx, e.account.ID, from.Number, numbers)
	for i := range out {
		if p := &e.v.To[i]; out[i] && p.Numbering.Problem == NumberFine {
			e.party(p, Flag{Code: "to_opted_out", Severity: Block, Field: "/to/" + strconv.Itoa(i), Value: p.Input,
				Message: "This person has asked not to get messages from you. They can opt in again themselves, as by texting START."})
		}
	}
	return err
}

// pictureText are the words for what can be wrong with a picture.
var pictureText = map[string]string{
	"media_not_found":        "There is no such picture for this account. Upload it again.",
	"media_empty":            "The picture has no bytes.",
	"media_corrupt":          "The picture is damaged or cut short. Save it again, or choose another.",
	"unsupported_media_type": "This is not a GIF, PNG or JPEG picture, whatever its name says.",
}

func (e *exam) picture(u *Upload, field string) {
	switch {
	case u.Fault != "":
		e.flag(u.Fault, field, nil, pictureText[u.Fault])
	case u.Declared != "" && u.Declared != u.Type:
		e.v.Flags = append(e.v.Flags, Flag{Code: "media_type_mismatch", Severity: Warn, Field: field, Value: u.Declared,
			Message: fmt.Sprintf("The picture was declared as %s but is %s; it is sent as what it is.", u.Declared, u.Type)})
	}
}

// routes chooses a carrier for each recipient.
func (e *exam) routes() {
	for i := range e.v.To {
		p := &e.v.To[i]
		if p.Numbering.Problem != NumberFine {
			continue
		}
		none := Flag{Code: "no_route", Severity: Block, Field: "/to/" + strconv.Itoa(i), Value: p.Input, Message: "No carrier is configured that takes a message of this kind between these two numbers."}
		e.choose(p, MMS)
		if p.Carrier == "" {
			e.v.MMS = append(e.v.MMS, none)
		}
		if e.v.Channel == SMS {
			if p.Carrier != "" && !e.sendsSMS() {
				none.Message = "Text alone goes by SMS, and no carrier for SMS is configured. Add a picture or a subject, or set channel to mms."
			}
			e.choose(p, SMS)
		}
		if p.Carrier == "" {
			p.Flags = append(p.Flags, none)
			e.v.Flags = append(e.v.Flags, none)
			continue
		}
		p.Cap = e.g.Carriers.Cap(p.Carrier)
		if p.Cap > 0 && (e.v.Cap == 0 || p.Cap < e.v.Cap) {
			e.v.Cap = p.Cap
		}
	}
	e.tollFree()
}

// choose finds the carriers for a recipient. One that stands is passed over where
// another goes; it is then the last to fall back on.
func (e *exam) choose(p *Party, kind Channel) {
	all := route(e.rules.Routes, leg{kind, e.v.From.Numbering.Number, p.Numbering.Number, p.Profile.Network, e.own.Carriers})
	p.Carrier, p.Spare = "", nil
	if len(all) == 0 {
		return
	}
	i := 0
	if len(all) > 1 {
		i = max(0, slices.IndexFunc(all, e.g.Lanes.Goes))
	}
	p.Carrier, p.Spare = all[i], append(all[i+1:len(all):len(all)], all[:i]...)
}

func (e *exam) sendsSMS() bool {
	return slices.ContainsFunc(e.rules.Routes, func(r Route) bool { return r.Kind == SMS })
}

// tollFree flags a sender by where its pictures go: once, whoever the
// recipients are, for it is the sender that has to be another.
func (e *exam) tollFree() {
	toCanada := func(p Party) bool { return p.Numbering.Problem == NumberFine && p.Numbering.Region == "CA" }
	if e.own.Kind == TollFree && slices.ContainsFunc(e.v.To, toCanada) {
		e.forPictures(&e.v.From, Flag{Code: "from_kind_not_allowed", Severity: Block, Field: "/from", Value: e.v.From.Input,
			Message: "Picture messages from toll-free numbers are not known to arrive in Canada. Send from a local number."})
	}
}

// speaksOfNothing are the flags that what could not be read earns for not being there.
var speaksOfNothing = map[string]bool{"field_missing": true, "empty_message": true, "from_invalid": true, "to_invalid": true}

// collect puts the flags of all checks in order. What decoding found wrong with
// a field says all there is to say of it: a text that is a number is not an
// empty text too.
func (e *exam) collect() {
	faulty := map[string]bool{}
	for _, f := range e.s.Faults {
		faulty[f.Field] = true
		if f.Field == "/account" {
			e.v.MMS = append(e.v.MMS, f) // nothing can be said of a picture button without it
		}
	}
	told := func(f Flag) bool { return faulty[f.Field] && speaksOfNothing[f.Code] }
	first := len(e.s.Faults)
	e.v.Flags = append(e.v.Flags[:first], slices.DeleteFunc(e.v.Flags[first:], told)...)
	e.v.MMS = slices.DeleteFunc(e.v.MMS, told)
	for i := range e.v.To {
		e.v.To[i].Flags = slices.DeleteFunc(e.v.To[i].Flags, told)
	}
	e.v.From.Flags = slices.DeleteFunc(e.v.From.Flags, told)
	SortFlags(e.v.Flags)
	SortFlags(e.v.MMS)
	SortFlags(e.v.From.Flags)
	for i := range e.v.To {
		SortFlags(e.v.To[i].Flags)
	}
}
