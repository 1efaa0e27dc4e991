package mm7

import (
	"io"
	"strings"
	"time"
)

// Operation is the local name of an MM7 message's root element, or Fault.
type Operation string

// The operations the package knows; others are read as what they call themselves.
const (
	OpSubmitReq         Operation = "SubmitReq"
	OpSubmitRsp         Operation = "SubmitRsp"
	OpCancelReq         Operation = "CancelReq"
	OpCancelRsp         Operation = "CancelRsp"
	OpDeliveryReportReq Operation = "DeliveryReportReq"
	OpDeliveryReportRsp Operation = "DeliveryReportRsp"
	OpReadReplyReq      Operation = "ReadReplyReq"
	OpReadReplyRsp      Operation = "ReadReplyRsp"
	OpRSErrorRsp        Operation = "RSErrorRsp"   // an MMSC's answer to what it could not understand
	OpVASPErrorRsp      Operation = "VASPErrorRsp" // ours
	OpFault             Operation = "Fault"        // a SOAP fault without either of them
)

// AddressKind is which of the three address elements an address is written as.
type AddressKind uint8

// The kinds of address. A plain-text address, of the early Release 5 form, is read
// as Number when it begins with + or a digit, else as RFC2822.
const (
	Number    AddressKind = iota // E.164
	ShortCode                    // no country, as the carrier knows it
	RFC2822                      // user@host, or +E164/TYPE=PLMN@host
)

// String is the element's name: Number, ShortCode, RFC2822Address.
func (k AddressKind) String() string {
	switch k {
	case ShortCode:
		return "ShortCode"
	case RFC2822:
		return "RFC2822Address"
	}
	return "Number"
}

// Address is one address; without a Value there is none. It holds a subscriber's
// number in clear: mask it before it is logged.
type Address struct {
	Kind        AddressKind
	Value       string // as it stands on the wire when read; to be written, E.164 with + for a Number
	DisplayOnly bool   // shown to the recipients, not delivered to
}

// Bare is the address without the additions MMSCs make: "/TYPE=PLMN" and, after it
// or after a number, "@host". A real mail address stays whole. It is not E.164 yet:
// that needs the carrier's country.
func (a Address) Bare() string {
	s := strings.TrimSpace(a.Value)
	if i := strings.IndexByte(s, '/'); i >= 0 && strings.HasPrefix(strings.ToUpper(s[i+1:]), "TYPE=") {
		return s[:i]
	}
	if i := strings.IndexByte(s, '@'); i > 0 && only(s[:i], "+0123456789") {
		return s[:i]
	}
	return s
}

// Recipients are a submission's addresses by block. Recipients in To and Cc see
// each other, those in Bcc do not.
type Recipients struct {
	To, Cc, Bcc []Address
}

// Head is what every MM7 message carries.
type Head struct {
	// TransactionID ties an answer to its request, and nothing else; read without
	// the white space around it.
	TransactionID string
	// Namespace and MM7Version as received; the [Dialect] decides what is written.
	Namespace  string
	MM7Version string
}

// SubmitReq asks an MMSC to send a message (TS 23.140, MM7_submit.REQ). Strings left
// empty and pointers left nil are not written. Fields marked Release 6 are written in
// a Release 6 namespace only.
type SubmitReq struct {
	Head
	VASPID, VASID         string // ids the carrier gave us
	SenderAddress         Address
	Recipients            Recipients
	ServiceCode           string // billing, passed through
	LinkedID              string
	MessageClass          string // Personal, Informational, Advertisement, Auto
	TimeStamp             string // xs:dateTime, see [DateTime]
	ReplyCharging         *ReplyCharging
	EarliestDeliveryTime  string // xs:dateTime or xs:duration
	ExpiryDate            string // xs:dateTime or xs:duration
	DeliveryReport        bool   // always written: carriers differ in their default
	ReadReply             bool   // always written
	Priority              string // Low, Normal, High
	Subject               string
	ChargedParty          string // Sender, Recipient, Both, Neither; Release 6 also ThirdParty
	ChargedPartyID        string // Release 6
	DistributionIndicator *bool
	DeliveryCondition     []int  // Release 6
	ApplicID              string // Release 6
	ReplyApplicID         string // Release 6
	AuxApplicInfo         string // Release 6
	ContentClass          string // Release 6
	DRMContent            *bool  // Release 6
	AllowAdaptations      *bool  // attribute of Content; false forbids the MMSC to transcode

	// Parts are the text, if any, and then the images, in the order they are shown.
	// [Encode] puts a SMIL presentation before them; [ParseSubmit] hands that back apart.
	Parts []Part
	// SMIL is the presentation as received; [Encode] writes its own.
	SMIL []byte
}

// CancelReq asks an MMSC not to deliver a message that it took (TS 23.140,
// MM7_cancel.REQ): to those recipients it has told of nothing yet. Strings left empty
// are not written. Fields marked Release 6 are written in a Release 6 namespace only.
type CancelReq struct {
	Head
	VASPID, VASID string // ids the carrier gave us
	SenderAddress Address
	MessageID     string // of the SubmitRsp; always written
	ApplicID      string // Release 6
	ReplyApplicID string // Release 6
	AuxApplicInfo string // Release 6
}

// ReplyCharging says that the sender pays for replies; empty fields are left out.
type ReplyCharging struct {
	Size     string // bytes
	Deadline string // xs:dateTime or xs:duration
}

// Part is one text or medium of a message. Its bytes are Data, or, when Open is set,
// Size bytes read from it at sending; they arrive exactly as they are.
type Part struct {
	ContentType string // without parameters for media: image/jpeg; text/plain is sent as UTF-8
	Name        string // file name; what is not a letter, digit or ._- becomes _ ; made up when empty
	Data        []byte
	Size        int64 // length of what Open gives; not used with Data
	Open        func() (io.ReadCloser, error)

	// ContentID (without < >) and ContentLocation as received; [Encode] makes its own.
	ContentID       string
	ContentLocation string
}

// Len is the number of bytes of the part before any transfer encoding.
func (p Part) Len() int64 {
	if p.Open != nil {
		return p.Size
	}
	return int64(len(p.Data))
}

// Status is the outcome in an answer (TS 23.140, clause on status codes).
type Status struct {
	Code    int    // 1000 success, 1100 partial success, 2xxx our fault, 3xxx the server's, 4xxx the service's; 0 none given
	Text    string // free text of the carrier: never log it
	Details string // text and element text below Details, joined by blanks; never log it
}

// Fault is what a SOAP fault says beside its Status.
type Fault struct {
	Code   string // Client, Server, Client.TransactionID; without the prefix
	String string // free text: never log it
}

// Response is an MM7 answer: every Rsp is a Status and, in SubmitRsp, a MessageID.
type Response struct {
	Head
	Operation Operation
	Status    Status
	MessageID string // SubmitRsp; may be missing in spite of a success
	// Fault is set when the answer was, or is to be written as, a SOAP fault.
	Fault *Fault
	// HTTPStatus and RetryAfter (the header as it stands) of an answer read.
	HTTPStatus int
	RetryAfter string
}

// DeliveryReportReq is an MMSC's report on one recipient (MM7_delivery_report.REQ).
// When read, MMStatus and addresses are as they stand: see [Address.Bare].
type DeliveryReportReq struct {
	Head
	MMSRelayServerID  string
	MessageID         string // of the SubmitRsp
	Recipient         Address
	Sender            Address
	Date              string // xs:dateTime, read from Date or TimeStamp; see [ParseDateTime]
	MMStatus          string // Retrieved, Expired, Rejected, Forwarded, Deferred, Unrecognised, Indeterminate, …
	MMStatusExtension string // Release 6
	StatusText        string // free text: never log it
	UAProf            string // of UACapabilities; Release 6
}

// ReadReplyReq tells that a recipient has read or deleted a message
// (MM7_read_reply_recipient.REQ).
type ReadReplyReq struct {
	Head
	MMSRelayServerID string
	MessageID        string
	Recipient        Address
	Sender           Address
	TimeStamp        string // xs:dateTime
	MMStatus         string // Read, Deleted, Indeterminate
	StatusText       string
}

// Request is what was asked of us: by an MMSC or, in a Cancel, of an MMSC. One of the
// pointers is set for an Operation this package takes, none for another; a SubmitReq,
// which has parts, is for [ParseSubmit].
type Request struct {
	Head
	Operation      Operation
	DeliveryReport *DeliveryReportReq
	ReadReply      *ReadReplyReq
	Cancel         *CancelReq
}

// DateTime is t as xs:dateTime in UTC, to the second: the form every MMSC takes.
func DateTime(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// ParseDateTime reads an xs:dateTime. One without a zone, which the schema allows
// and some MMSCs send, is taken to be in zone.
func ParseDateTime(s string, zone *time.Location) (time.Time, error) {
	t, err := time.Parse("2006-01-02T15:04:05Z07:00", s)
	if err == nil {
		return t, nil
	}
	return time.ParseInLocation("2006-01-02T15:04:05", s, zone)
}
