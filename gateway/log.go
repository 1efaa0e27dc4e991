package gateway

// The keys of log lines: one word for one thing in every room. Numbers go
// under KeyRecipient as a Number, which masks itself; text and media never go
// anywhere.
const (
	KeyMessage          = "message" // our id of it
	KeyCarrier          = "carrier"
	KeyAttempt          = "attempt" // its number among the dials of the delivery
	KeyTransactionID    = "transaction_id"
	KeyCarrierMessageID = "carrier_message_id"
	KeyRecipient        = "recipient"
	KeyReason           = "reason"
	KeyDue              = "due"
	KeyOutcome          = "outcome"
	KeyCode             = "code" // the carrier's, never its words
	KeyError            = "error"
	KeyEvent            = "event"    // of the feed, where a line tells one
	KeyRemote           = "remote"   // the address a request came from
	KeyMethod           = "method"   // of an HTTP request
	KeyPath             = "path"     // its pattern, never what stood in its place
	KeyListener         = "listener" // api, carriers, admin
	KeyWithin           = "within"   // how long something may take
	KeyKey              = "key"      // of the configuration
	KeyOld              = "old"      // its value before
	KeyNew              = "new"      // and now
	KeyCount            = "count"
	KeyWho              = "who" // the user that did it
)
