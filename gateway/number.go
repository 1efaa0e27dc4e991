package gateway

import (
	"log/slog"
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// Number is a telephone number in E.164 form ("+12125550123"). Printed or
// logged it shows its last four digits only; E164 unmasks it on purpose.
type Number string

// E164 is the number unmasked.
func (n Number) E164() string { return string(n) }

// String masks the number: "+1*******0123".
func (n Number) String() string {
	if len(n) <= 6 {
		return strings.Repeat("*", len(n))
	}
	return string(n[:2]) + strings.Repeat("*", len(n)-6) + string(n[len(n)-4:])
}

// LogValue masks the number in every log line.
func (n Number) LogValue() slog.Value { return slog.StringValue(n.String()) }

// Kind is what sort of sender a number is; caps and rules differ by it.
type Kind string

// The kinds of sender.
const (
	LongCode Kind = "long_code"
	TollFree Kind = "toll_free"
)

// Numbering says what the numbering plan knows of a number as somebody wrote it.
type Numbering struct {
	Number    Number // E.164; empty when Problem is NumberInvalid
	Region    string // ISO 3166 region: US, CA, PR, JM, GB…; empty when not known
	Country   string // the region in words
	Territory bool   // a territory of the United States
	Kind      Kind
	Problem   NumberProblem
}

// NumberProblem is why a number can't be used, or NumberFine.
type NumberProblem uint8

// What can be wrong with a number.
const (
	NumberFine           NumberProblem = iota
	NumberInvalid                      // not a number that can exist
	NumberNotMessageable               // exists, but takes no messages: 900, N11, 500-series, a short code
	NumberForeign                      // neither United States nor Canada
)

// ParseNumber reads a number as people write it. defaultRegion ("US", "CA" or
// empty) tells how to read one without a country code. Nothing but digits,
// + ( ) . - and space is taken for a number: the library's leniency (letters
// as digits, leading junk) is not ours.
func ParseNumber(input, defaultRegion string) Numbering {
	key := defaultRegion + "|" + input
	if n, ok := parsed.get(key); ok {
		return n
	}
	n := parseNumber(strings.TrimSpace(input), defaultRegion)
	parsed.put(key, n)
	return n
}

func parseNumber(s, region string) Numbering {
	digits, ok := digitsOf(s)
	switch {
	case !ok:
		return Numbering{Problem: NumberInvalid}
	case len(digits) >= 3 && len(digits) <= 6 && s[0] != '+':
		return Numbering{Problem: NumberNotMessageable, Country: "a short code"}
	case s[0] != '+' && region == "":
		return Numbering{Problem: NumberInvalid}
	}
	p, err := phonenumbers.Parse(s, region)
	if err != nil {
		return Numbering{Problem: NumberInvalid}
	}
	n := Numbering{Number: Number(phonenumbers.Format(p, phonenumbers.E164)), Kind: LongCode}
	if p.GetCountryCode() == 1 {
		return northAmerican(n, p)
	}
	if !phonenumbers.IsValidNumber(p) {
		return Numbering{Problem: NumberInvalid}
	}
	n.Region, n.Problem = phonenumbers.GetRegionCodeForNumber(p), NumberForeign
	n.Country = "a country outside North America"
	if r, err := language.ParseRegion(n.Region); err == nil {
		n.Country = display.English.Regions().Name(r)
	}
	return n
}

// digitsOf strips the punctuation people write; ok is false where anything else stands.
func digitsOf(s string) (string, bool) {
	if s == "" || len(s) > 32 {
		return "", false
	}
	digits := make([]byte, 0, 16)
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits = append(digits, c)
		case c == '+' && i == 0, c == '(', c == ')', c == '.', c == '-', c == ' ':
		default:
			return "", false
		}
	}
	return string(digits), len(digits) >= 3
}

// northAmerican places a +1 number. The area code decides the country; the
// library decides whether the rest can exist.
func northAmerican(n Numbering, p *phonenumbers.PhoneNumber) Numbering {
	national := n.Number.E164()[2:]
	if len(national) != 10 || national[0] < '2' {
		return Numbering{Problem: NumberInvalid}
	}
	area, exchange := national[:3], national[3:6]
	switch {
	case serviceArea(area) || exchange[1:] == "11" && exchange[0] >= '2':
		n.Problem = NumberNotMessageable
		return n
	case caribbean[area] != "":
		n.Region, n.Country, n.Problem = phonenumbers.GetRegionCodeForNumber(p), caribbean[area], NumberForeign
		return n
	case !phonenumbers.IsValidNumber(p) && !fictional(national):
		return Numbering{Problem: NumberInvalid}
	}
	if t, ok := territories[area]; ok {
		n.Region, n.Country, n.Territory = t[:2], t[3:], true
		return n
	}
	if strings.Contains(tollFreeAreas, area) {
		n.Kind = TollFree
	}
	n.Region, n.Country = "US", "the United States"
	if strings.Contains(canadianAreas, area) {
		n.Region, n.Country = "CA", "Canada"
	}
	return n
}

// fictional tells whether the number is NPA-555-01XX of an area code in use:
// set aside for examples, an ordinary number to us, though the library's
// tables lack some of them.
func fictional(national string) bool {
	if national[3:8] != "55501" {
		return false
	}
	area := national[:3]
	if _, ok := territories[area]; ok || strings.Contains(canadianAreas, area) {
		return true
	}
	for _, line := range []string{"2345678", "5552345", "6847331"} {
		if p, err := phonenumbers.Parse("+1"+area+line, ""); err == nil && phonenumbers.IsValidNumber(p) {
			return true
		}
	}
	return false
}

// serviceArea: premium (900), personal and data (500-series, 600, 622, 633,
// 700, 710) and N11 codes take no messages.
func serviceArea(area string) bool {
	return area[1:] == "11" || strings.Contains(" 900 500 521 522 523 524 525 526 527 528 529 532 533 544 566 577 588 600 622 633 700 710 ", " "+area+" ")
}

// The area codes, as of the 2026 metadata (north of the border, the
// territories, toll-free, and the +1 countries that are neither).
const (
	canadianAreas = "204 226 236 249 250 257 263 289 306 343 354 365 367 368 382 403 416 418 428 431 437 438 450 468 474 506 514 519 548 579 581 584 587 604 613 639 647 672 683 705 709 742 753 778 780 782 807 819 825 867 873 879 902 905 942"
	tollFreeAreas = "800 833 844 855 866 877 888"
)

var territories = map[string]string{
	"787": "PR Puerto Rico", "939": "PR Puerto Rico", "340": "VI the US Virgin Islands",
	"671": "GU Guam", "670": "MP the Northern Mariana Islands", "684": "AS American Samoa",
}

var caribbean = map[string]string{
	"242": "the Bahamas", "246": "Barbados", "264": "Anguilla", "268": "Antigua and Barbuda", "284": "the British Virgin Islands",
	"345": "the Cayman Islands", "441": "Bermuda", "473": "Grenada", "649": "the Turks and Caicos Islands", "658": "Jamaica",
	"876": "Jamaica", "664": "Montserrat", "721": "Sint Maarten", "758": "Saint Lucia", "767": "Dominica",
	"784": "Saint Vincent and the Grenadines", "809": "the Dominican Republic", "829": "the Dominican Republic",
	"849": "the Dominican Republic", "868": "Trinidad and Tobago", "869": "Saint Kitts and Nevis",
}

// parsed keeps the newest answers of ParseNumber: reading one costs 50 µs and
// 146 allocations in the library, and a sender writes the same few for ever.
var parsed = numberCache{limit: 8192}

// numberCache holds two generations; when the young one is full the old one
// goes. Simple, bounded, and close enough to least recently used.
type numberCache struct {
	mu         sync.Mutex
	limit      int
	young, old map[string]Numbering
}

func (c *numberCache) get(key string) (Numbering, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n, ok := c.young[key]; ok {
		return n, true
	}
	n, ok := c.old[key]
	if ok {
		c.keep(key, n)
	}
	return n, ok
}

func (c *numberCache) put(key string, n Numbering) {
	if len(key) > 64 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(key, n)
}

func (c *numberCache) keep(key string, n Numbering) {
	if c.young == nil || len(c.young) >= c.limit {
		c.old, c.young = c.young, make(map[string]Numbering)
	}
	c.young[key] = n
}
