package gateway

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestParseNumber(t *testing.T) {
	for _, c := range []struct {
		input, region string
		want          string // number|region|problem, "" for the number's absence
	}{
		{"+12125550123", "", "+12125550123|US|0"},
		{"+1 (416) 555-0199", "", "+14165550199|CA|0"},
		{"212.555.0123", "US", "+12125550123|US|0"},
		{"1 212 555 0123", "US", "+12125550123|US|0"},
		{" +1-867-555-0123 ", "", "+18675550123|CA|0"},
		{"+17875550123", "", "+17875550123|PR|0"},
		{"+16845550123", "", "+16845550123|AS|0"}, // 555-01XX is ordinary though the library lacks it
		{"+18005550199", "", "+18005550199|US|0"},
		{"+18765550123", "", "+18765550123|JM|3"},
		{"+12425550123", "", "+12425550123|BS|3"},
		{"+442079460958", "", "+442079460958|GB|3"},
		{"+19005550123", "", "+19005550123||2"},
		{"+15005550123", "", "+15005550123||2"},
		{"+12129110123", "", "+12129110123||2"},
		{"911", "US", "||2"},
		{"72345", "", "||2"},
		{"2125550123", "", "||1"},
		{"+1212555012", "", "||1"},
		{"+121255501234", "", "||1"},
		{"+10125550123", "", "||1"},
		{"+12121550123", "", "||1"},
		{"1-800-FLOWERS", "US", "||1"},
		{"abc12025550123", "US", "||1"},
		{"+1２０２5550123", "", "||1"},
		{"+12125550123/TYPE=PLMN", "", "||1"},
		{"++12125550123", "", "||1"},
		{"+12125550123\x00", "", "||1"},
		{"+12125550123\n", "", "+12125550123|US|0"}, // white space around is what people paste
		{"0012125550123", "US", "||1"},
		{"", "US", "||1"},
		{"+", "US", "||1"},
		{strings.Repeat("1", 200), "US", "||1"},
	} {
		n := ParseNumber(c.input, c.region)
		if got := fmt.Sprintf("%s|%s|%d", n.Number.E164(), n.Region, n.Problem); got != c.want {
			t.Errorf("ParseNumber(%q, %q) = %s, want %s", c.input, c.region, got, c.want)
		}
		if again := ParseNumber(c.input, c.region); again != n {
			t.Errorf("ParseNumber(%q) from the cache is %+v, was %+v", c.input, again, n)
		}
	}
	if n := ParseNumber("+18335550100", ""); n.Kind != TollFree {
		t.Errorf("833 is of kind %q", n.Kind)
	}
	if n := ParseNumber("+13405550100", ""); !n.Territory || n.Country != "the US Virgin Islands" {
		t.Errorf("340 is %+v", n)
	}
	if n := ParseNumber("+18765550123", ""); n.Country != "Jamaica" {
		t.Errorf("876 belongs to %q", n.Country)
	}
	if n := ParseNumber("+442079460958", ""); n.Country != "United Kingdom" {
		t.Errorf("+44 belongs to %q", n.Country)
	}
}

// Every area code of the tables is where the library, too, puts it.
func TestAreaCodesAgreeWithTheLibrary(t *testing.T) {
	for area := range strings.FieldsSeq(canadianAreas) {
		if n := ParseNumber("+1"+area+"5550123", ""); n.Region != "CA" || n.Problem != NumberFine {
			t.Errorf("%s is %+v", area, n)
		}
	}
	for _, area := range []string{"202", "212", "415", "907", "808", "989", "975"} {
		if n := ParseNumber("+1"+area+"5550123", ""); n.Region != "US" {
			t.Errorf("%s is %+v", area, n)
		}
	}
}

func TestNumbersAreMasked(t *testing.T) {
	n := Number("+12125550123")
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "recipient", n)
	for _, s := range []string{n.String(), fmt.Sprint(n), fmt.Sprintf("%v %s", n, n), log.String()} {
		if strings.Contains(s, "5550123") || !strings.Contains(s, "0123") {
			t.Errorf("%q shows too much or too little", s)
		}
	}
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"+12125550123", "(416) 555-0199", "911", "+44 20 7946 0958", "+1", "٣", "1-800-FLOWERS"} {
		f.Add(s, "US")
	}
	f.Fuzz(func(t *testing.T, s, region string) {
		n := ParseNumber(s, region)
		if n.Problem == NumberFine && (len(n.Number) != 12 || n.Number[:2] != "+1" || n.Region == "") {
			t.Errorf("ParseNumber(%q) is fine with %+v", s, n)
		}
	})
}
