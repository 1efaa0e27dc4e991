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
	// Count is recipients or requests: what PerSecond counts. While one
	// recipient goes in a request they are the same.
	Count string `yaml:"count"`
	// DayZone is the IANA time zone of the carrier's midnight. It has no effect
	// while there are no day caps.
	DayZone string `yaml:"day_zone"`
	// Window is how many requests may be unanswered.
	Window int `yaml:"window"`
	// MaxMessage counts the whole HTTP body as sent.
	MaxMessage Size `yaml:"max_message"`
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

// Route says which carrier takes what; the first match wins.
type Route struct {
	// Kind is mms, or empty for what the carrier's protocol sends.
	Kind string `yaml:"kind"`
	// To are E.164 prefixes; empty: every number.
	To []string `yaml:"to"`
	// Carriers holds exactly one name in this release.
	Carriers []string `yaml:"carriers"`
}

// Default is the configuration of an empty file, before paths are resolved.
// Listen.API is empty in it: the socket follows state_dir.
func Default() Config {
	return Config{
		StateDir:     "./state",
		MediaReserve: 256 * MiB,
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
			DayZone: "America/Los_Angeles", Window: 8, MaxMessage: 1 * MiB,
		},
		Retry: Retry{
			First: Duration(5 * time.Second), Max: Duration(15 * time.Minute),
			Unknown: "wait_for_report", UnknownWait: Duration(30 * time.Minute),
			Then: "hold", ResendMax: 1, ResendID: "same",
		},
	}
}
