// Package config reads the one YAML file mmsgw is run by: its keys, their
// defaults, and every check that can be made without the rest of the daemon.
// Nothing else knows YAML, and this package imports nothing of ours.
//
// A file is either wholly right or refused with all its faults at once, each
// with its line and column. Secrets come from files or from ${NAME} and are
// never printed. Keys whose part is not in this release are known and refused
// by a plain sentence, unless they stand at their documented default.
package config

import (
	"time"
)

// Config is a checked configuration. Paths in it are absolute, secrets are
// read, and every reference from one part to another holds.
type Config struct {
	// StateDir is what the embedded default keeps: database, media, socket.
	StateDir string `yaml:"state_dir"`
	// Database is empty for SQLite in StateDir, else a postgres:// URL. It may
	// hold a password, hence the type.
	Database Secret `yaml:"database"`
	// Media is the directory of a file: value, empty for StateDir.
	Media string `yaml:"media"`
	// MediaReserve is how much preallocated media space is kept ready.
	MediaReserve Size `yaml:"media_reserve"`
	// Drain is how long a stopping daemon may take for what is under way.
	Drain Duration `yaml:"drain"`

	Listen     Listen     `yaml:"listen"`
	Operators  Operators  `yaml:"operators"`
	Log        Log        `yaml:"log"`
	Accounts   []Account  `yaml:"accounts"`
	Capability Capability `yaml:"capability"`
	Carriers   []Carrier  `yaml:"carriers"`
	Routes     []Route    `yaml:"routes"`

	// Warnings are things that work but should not stay so; the daemon says
	// them at every start.
	Warnings Problems `yaml:"-"`
}

// Listen says where each listener is found.
type Listen struct {
	API      []Address `yaml:"api"`
	Carriers Address   `yaml:"carriers"`
	Admin    Address   `yaml:"admin"`
}

// Operators are local users and groups, by name or id, that may operate the
// gateway beside root and the daemon's own user.
type Operators struct {
	Users  []string `yaml:"users"`
	Groups []string `yaml:"groups"`
}

// Log sets what is logged. Level is debug, info, warn or error; the
// environment's MMSGW_LOG has already replaced it here.
type Log struct {
	Level string `yaml:"level"`
}

// Account is one internal customer of the gateway.
type Account struct {
	ID      string   `yaml:"id"`
	Numbers []Number `yaml:"numbers"`
	// Plan is paid or trial.
	Plan string `yaml:"plan"`
	// Credit is nil for unlimited; 0 or less is out of credit.
	Credit     *float64 `yaml:"credit"`
	MMSEnabled bool     `yaml:"mms_enabled"`
	SMSEnabled bool     `yaml:"sms_enabled"`
	Suspended  bool     `yaml:"suspended"`
	// DefaultRegion is the ISO 3166 region in which numbers without + are
	// read; empty means that only E.164 is.
	DefaultRegion string   `yaml:"default_region"`
	Freshness     Duration `yaml:"freshness"`
	// Users are local users, by name or uid, that may submit for it.
	Users []string `yaml:"users"`
}

// Number is one via number that an account owns. In the file it is the number
// alone, or a map.
type Number struct {
	Number Phone `yaml:"number"`
	// Kind is local or toll_free; empty: derived from the number.
	Kind string `yaml:"kind"`
	// Carriers that host the number; empty: any.
	Carriers []string `yaml:"carriers"`
	// Campaign is for the record: nothing reads it.
	Campaign   string `yaml:"campaign"`
	Registered bool   `yaml:"registered"`
}

// Capability says how numbers are looked up. Unknown and Failed are block or
// warn: what an answer "not known", or none in time, does to a message. File
// is empty or the path of a readable file. A file always answers, and at once:
// until something else can be asked, Deadline and Failed have no effect.
type Capability struct {
	Deadline Duration `yaml:"deadline"`
	Unknown  string   `yaml:"unknown"`
	Failed   string   `yaml:"failed"`
	File     string   `yaml:"file"`
}

// Carrier is one link to a carrier's MMSC.
type Carrier struct {
	Name string `yaml:"name"`
	// Protocol is mm7.
	Protocol string   `yaml:"protocol"`
	URL      URL      `yaml:"url"`
	Dialect  string   `yaml:"dialect"`
	Quirks   Quirks   `yaml:"quirks"`
	VASPID   string   `yaml:"vasp_id"`
	VASID    string   `yaml:"vas_id"`
	Auth     Auth     `yaml:"auth"`
	Reports  Reports  `yaml:"reports"`
	Timeouts Timeouts `yaml:"timeouts"`
	Limits   Limits   `yaml:"limits"`
	Retry    Retry    `yaml:"retry"`
	// Cancel tells that the carrier takes CancelReq for what it was sent.
	Cancel bool `yaml:"cancel"`
	// Outcomes override what single answers mean; the first that fits decides.
	Outcomes []Outcome `yaml:"outcomes"`
}

// Quirks override single habits of a carrier's dialect; nil leaves the
// dialect's own.
type Quirks struct {
	SOAPAction *string `yaml:"soap_action"`
	// NumberFormat is e164plus or e164.
	NumberFormat *string `yaml:"number_format"`
	// TransferEncoding is binary or base64.
	TransferEncoding *string `yaml:"transfer_encoding"`
	// XMLStyle is default, prefix or root.
	XMLStyle          *string `yaml:"xml_style"`
	SendSenderAddress *bool   `yaml:"send_sender_address"`
	EnvelopePrefix    *string `yaml:"envelope_prefix"`
	EnvelopeContentID *string `yaml:"envelope_content_id"`
}

// Auth is how we show the carrier who we are; Basic nil: not at all.
type Auth struct {
	Basic *Basic `yaml:"basic"`
}

// Basic are HTTP Basic credentials (RFC 7617). In the file the password is
// named by password_file or given as ${NAME}; here it is in Password.
type Basic struct {
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"password_file"`
	Password     Secret `yaml:"password"`
}

// Reports says who may post to us as this carrier. Either Basic is set or Open
// is true. From, when not empty, restricts source addresses in addition.
type Reports struct {
	Basic *Basic   `yaml:"basic"`
	From  []Prefix `yaml:"from"`
	Open  bool     `yaml:"open"`
	// MessageID holds what the carrier does to MessageIDs in its reports:
	// ignore_case, ignore_leading_zeros. Empty: they come as they were given.
	MessageID []string `yaml:"message_id"`
}

// Timeouts of one carrier: to connect; for a whole exchange, from dialling to
// the answer's end; and from the carrier's acceptance to the delivery report.
type Timeouts struct {
	Connect  Duration `yaml:"connect"`
	Response Duration `yaml:"response"`
	Report   Duration `yaml:"report"`
}

// Limits are what the carrier agreed to take.
type Limits struct {
	PerSecond float64 `yaml:"per_second"`
	Burst     int     `yaml:"burst"`
	// Count is recipients or requests: what PerSecond and PerDay count. With
	// MaxRecipients 1 they are the same.
	Count string `yaml:"count"`
	// PerDay is a cap from one midnight of DayZone to the next; 0: none.
	PerDay int `yaml:"per_day"`
	// DayZone is the IANA time zone of the carrier's midnight. It is known on
	// this machine if PerDay is set.
	DayZone string `yaml:"day_zone"`
	// Window is how many requests may be unanswered.
	Window int `yaml:"window"`
	// MaxMessage counts the whole HTTP body as sent.
	MaxMessage Size `yaml:"max_message"`
	// MaxRecipients is how many go in one request; above 1 they go as Bcc only.
	MaxRecipients int `yaml:"max_recipients"`
}

// Retry says when a message is tried again. Attempts 0: until it expires.
type Retry struct {
	First    Duration `yaml:"first"`
	Max      Duration `yaml:"max"`
	Attempts int      `yaml:"attempts"`
	// Unknown is wait_for_report, resend or hold: what follows when the
	// request left and no answer came.
	Unknown     string   `yaml:"unknown"`
	UnknownWait Duration `yaml:"unknown_wait"`
	// Then is resend or hold: what follows UnknownWait without a report.
	Then      string `yaml:"then"`
	ResendMax int    `yaml:"resend_max"`
	// ResendID is same or new: the TransactionID of a resend.
	ResendID string `yaml:"resend_id"`
}

// Outcome says what an answer of the carrier means. An answer fits that has the
// Code and the Text; an empty one of these is not looked at, and one is there.
type Outcome struct {
	Code Code `yaml:"code"`
	// Text is part of the carrier's StatusText or Details, in any letter case.
	Text string `yaml:"text"`
	// Then is accepted; retry, a try of the message; busy, the lane's trouble,
	// which is never counted; reject; reject_size; split, once more and each
	// recipient alone; stop_sender; stop_lane; or unknown.
	Then string `yaml:"then"`
	// Reason is why a reject was one, and empty for all else:
	// carrier_refused_request, carrier_refused_content, carrier_refused_address,
	// carrier_refused_sender, carrier_filtered, handset_unsupported or
	// recipient_rejected.
	Reason string `yaml:"reason"`
	// After is how long the message waits after retry, and the whole lane after
	// busy; 0: as usual.
	After Duration `yaml:"after"`
}

// Route says which carriers take what; the first match wins. From, To and
// Network all have to fit.
type Route struct {
	// Kind is mms, or empty for what the carriers' protocol sends.
	Kind string `yaml:"kind"`
	// From and To are E.164 prefixes of sender and recipient; empty: every number.
	From []string `yaml:"from"`
	To   []string `yaml:"to"`
	// Network are names of the recipient's network as the lookup tells it;
	// empty: every network, and none.
	Network []string `yaml:"network"`
	// Carriers are one or several, of one protocol; where there are several,
	// each is for when those before it cannot take a message.
	Carriers []string `yaml:"carriers"`
}

// Default is the configuration of an empty file, before paths are resolved.
// Listen.API is empty in it: the socket follows state_dir.
func Default() Config {
	return Config{
		StateDir:     "./state",
		MediaReserve: 256 * MiB,
		Drain:        Duration(25 * time.Second),
		Listen: Listen{
			Carriers: Address{Network: "tcp", Addr: "127.0.0.1:8081"},
			Admin:    Address{Network: "tcp", Addr: "127.0.0.1:8080"},
		},
		Log:        Log{Level: "info"},
		Capability: Capability{Deadline: Duration(5 * time.Second), Unknown: "block", Failed: "block"},
	}
}

// defaults are those of a new item in accounts.
func (a *Account) defaults() {
	*a = Account{Plan: "paid", MMSEnabled: true, SMSEnabled: true, Freshness: Duration(24 * time.Hour)}
}

// defaults are those of a new item in numbers.
func (n *Number) defaults() { n.Registered = true }

// defaults are those of a new item in carriers.
func (c *Carrier) defaults() {
	*c = Carrier{
		Dialect: "rel-6-mm7-1-4",
		Timeouts: Timeouts{
			Connect:  Duration(10 * time.Second),
			Response: Duration(120 * time.Second),
			Report:   Duration(72 * time.Hour),
		},
		Limits: Limits{
			PerSecond: 50, Burst: 1, Count: "recipients",
			DayZone: "America/Los_Angeles", Window: 8, MaxMessage: 1 * MiB, MaxRecipients: 1,
		},
		Retry: Retry{
			First: Duration(5 * time.Second), Max: Duration(15 * time.Minute),
			Unknown: "wait_for_report", UnknownWait: Duration(30 * time.Minute),
			Then: "hold", ResendMax: 1, ResendID: "same",
		},
	}
}
