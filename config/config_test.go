package config

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

var dialects = Options{Dialects: []string{"rel-6-mm7-1-4", "rel-5-mm7-1-2"}}

// env is the environment of every test.
func env(name string) (string, bool) {
	v, ok := map[string]string{"PASSWORD": "hunter2", "PORT": "18080", "EMPTY": "", "CRLF": "\r\n"}[name]
	return v, ok
}

func noEnv(string) (string, bool) { return "", false }

// parse checks text that must be fine, as a file in an empty directory.
func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse([]byte(text), filepath.Join(t.TempDir(), "mmsgw.yaml"), env, dialects)
	if err != nil {
		t.Fatalf("unexpected problems:\n%v", err)
	}
	return c
}

// refuse checks text that must not be, and returns its problems.
func refuse(t *testing.T, text string) Problems {
	t.Helper()
	c, err := Parse([]byte(text), "mmsgw.yaml", env, dialects)
	problems, ok := errors.AsType[Problems](err)
	if !ok || len(problems) == 0 || c != nil {
		t.Fatalf("got %v and %v, want Problems alone", c, err)
	}
	return problems
}

func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no bad files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := Load(file, env, dialects)
			if err == nil {
				t.Fatal("was accepted")
			}
			compare(t, strings.TrimSuffix(file, ".yaml")+".golden", err.Error()+"\n")
			for _, private := range []string{"hunter2", "5550123", "5550124", "12345"} {
				if strings.Contains(err.Error(), private) {
					t.Errorf("the problems show %q", private)
				}
			}
		})
	}
}

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s\ngot:\n%s\nwant:\n%s", golden, got, want)
	}
}

func TestEveryKey(t *testing.T) {
	c, err := Load("testdata/good/every-key.yaml", env, dialects)
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	north := c.Carriers[0]
	for _, test := range []struct {
		what      string
		got, want any
	}{
		{"state_dir", c.StateDir, "/var/lib/mmsgw"},
		{"database", c.Database.Reveal(), "postgres://gw:hunter2@db/mmsgw"},
		{"media", c.Media, filepath.Join(here, "shared")},
		{"media_reserve", c.MediaReserve, GiB},
		{"drain", c.Drain.D(), 90 * time.Second},
		{"listen", c.Listen, Listen{
			API:      []Address{{"unix", filepath.Join(here, "a.sock")}, {"unix", "/run/mmsgw/b.sock"}},
			Carriers: Address{"tcp", "[::1]:18081"}, Admin: Address{"tcp", "127.0.0.1:18080"},
		}},
		{"operators", c.Operators, Operators{[]string{"0", "ops"}, []string{"adm"}}},
		{"level", c.Log.Level, "warn"},
		{"numbers", c.Accounts[0].Numbers, []Number{
			{Number: "+12125550123", Registered: true},
			{Number: "+12125550124", Registered: true},
			{Number: "+18885550100", Kind: "toll_free", Carriers: []string{"north"}, Campaign: "C1"},
		}},
		{"credit", *c.Accounts[0].Credit, 12.5},
		{"credit of nothing", *c.Accounts[1].Credit, 0.0},
		{"a key without a value", c.Accounts[1].Plan, "paid"},
		{"freshness", c.Accounts[0].Freshness.D(), 7 * 24 * time.Hour},
		{"capability", c.Capability, Capability{Duration(1500 * time.Millisecond), "warn", "warn", filepath.Join(here, "numbers.csv")}},
		{"url", north.URL.Reveal(), "https://mmsc.example/mm7/hunter2"},
		{"soap_action", *north.Quirks.SOAPAction, `""`},
		{"send_sender_address", *north.Quirks.SendSenderAddress, false},
		{"vasp_id", north.VASPID, "literal ${PASSWORD}"},
		{"vas_id", north.VASID, "$5"},
		{"auth", north.Auth.Basic.Password.Reveal(), "hunter2"},
		{"reports", north.Reports.Basic.Password.Reveal(), "hunter2"},
		{"from", fmt.Sprint(north.Reports.From), "[192.0.2.0/24 2001:db8::1/128]"},
		{"message_id", north.Reports.MessageID, []string{"ignore_case", "ignore_leading_zeros"}},
		{"timeouts", north.Timeouts, Timeouts{Duration(time.Second), Duration(90 * time.Second), Duration(84 * time.Hour)}},
		{"limits", north.Limits, Limits{0.5, 2, "requests", 10000, "UTC", 1, 600 * KiB, 20}},
		{"retry", north.Retry, Retry{Duration(500 * time.Millisecond), Duration(time.Minute), 3, "resend", Duration(time.Hour), "resend", 99, "new"}},
		{"cancel", north.Cancel, true},
		{"outcomes", north.Outcomes, []Outcome{
			{Code: "4030", Text: "Overload", Then: "busy", After: Duration(time.Minute)},
			{Code: "4030", Then: "retry"},
			{Code: "http-503", Then: "split"},
			{Text: "4", Then: "reject", Reason: "carrier_refused_request"},
			{Code: "1", Then: "reject", Reason: "carrier_filtered"},
		}},
		{"routes", c.Routes, []Route{
			{"mms", []string{"+1212"}, []string{"+1416", "+1"}, []string{"Bell", "T 2"}, []string{"north", "2"}},
			{Carriers: []string{"2"}},
		}},
	} {
		if !reflect.DeepEqual(test.got, test.want) {
			t.Errorf("%s: got %#v, want %#v", test.what, test.got, test.want)
		}
	}
}

// TestEveryKeyIsSet sees that the file of TestEveryKey leaves no field of the
// first account and carrier as it was, so that a key that is read into nothing,
// or into a neighbour, is found out.
func TestEveryKeyIsSet(t *testing.T) {
	c, err := Load("testdata/good/every-key.yaml", env, dialects)
	if err != nil {
		t.Fatal(err)
	}
	var carrier Carrier
	var account Account
	carrier.defaults()
	account.defaults()
	carrier.Protocol = ""
	may := regexp.MustCompile(`reports\.(open|basic\.password_file)$`) // excluded by what else is set
	for path, d := range differences("", reflect.ValueOf(c.Carriers[0]), reflect.ValueOf(carrier)) {
		if !d && !may.MatchString(path) {
			t.Errorf("carrier%s is as it was", path)
		}
	}
	for path, d := range differences("", reflect.ValueOf(c.Accounts[0]), reflect.ValueOf(account)) {
		if !d {
			t.Errorf("account%s is as it was", path)
		}
	}
}

// differences walks two structs of one type and tells of every key whether
// its values differ.
func differences(path string, a, b reflect.Value) map[string]bool {
	all := map[string]bool{}
	for i := range a.NumField() {
		key := a.Type().Field(i).Tag.Get("yaml")
		if key == "" || key == "-" {
			continue
		}
		at, x, y := path+"."+key, a.Field(i), b.Field(i)
		if x.Kind() == reflect.Struct && x.Type().Field(0).Tag.Get("yaml") != "" {
			for k, d := range differences(at, x, y) {
				all[k] = d
			}
			continue
		}
		all[at] = !reflect.DeepEqual(x.Interface(), y.Interface())
	}
	return all
}

func TestEmptyFileIsTheDefaults(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "{}\n", "accounts:\ncarriers: []\nlog: {}\n"} {
		c := parse(t, text)
		want := Default()
		want.StateDir = c.StateDir
		want.Listen.API = []Address{{"unix", filepath.Join(c.StateDir, "mmsgw.sock")}}
		want.Warnings = c.Warnings
		if want.Carriers = c.Carriers; len(c.Carriers) > 0 || !reflect.DeepEqual(*c, want) {
			t.Errorf("%q: got %+v, want %+v", text, *c, want)
		}
	}
}

func TestSocketFollowsStateDir(t *testing.T) {
	c := parse(t, "state_dir: /srv/gw\n")
	if got := c.Listen.API[0].String(); got != "unix:/srv/gw/mmsgw.sock" {
		t.Errorf("got %s", got)
	}
}

func TestPathsAreRelativeToTheFile(t *testing.T) {
	c, err := Parse([]byte("state_dir: ../s\nlisten: {api: [\"unix:x.sock\"]}\n"), "/etc/mmsgw/mmsgw.yaml", noEnv, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c.StateDir != "/etc/s" || c.Listen.API[0].Addr != "/etc/mmsgw/x.sock" {
		t.Errorf("got %s and %s", c.StateDir, c.Listen.API[0])
	}
}

func TestLogLevelFromTheEnvironment(t *testing.T) {
	set := func(level string) func(string) (string, bool) {
		return func(name string) (string, bool) { return level, name == "MMSGW_LOG" }
	}
	c, err := Parse([]byte("log: {level: warn}"), "mmsgw.yaml", set("debug"), Options{})
	if err != nil || c.Log.Level != "debug" {
		t.Errorf("got %v, %v", c, err)
	}
	_, err = Parse(nil, "mmsgw.yaml", set("loud"), Options{})
	if err == nil || err.Error() != "environment: MMSGW_LOG: must be debug, info, warn or error" {
		t.Errorf("got %v", err)
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	c, err := Load("testdata/good/every-key.yaml", env, dialects)
	if err != nil {
		t.Fatal(err)
	}
	// In an unexported field fmt cannot call methods. Numbers are not held back there.
	carrier := c.Carriers[0]
	hidden := struct {
		database Secret
		carrier  Carrier
		basic    Basic
	}{c.Database, carrier, *carrier.Auth.Basic}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%T"} {
		for _, v := range []any{c, *c, c.Carriers, c.Accounts, c.Database, c.Carriers[0].URL, *c.Carriers[0].Auth.Basic, hidden} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("c", "config", c, "database", c.Database, "url", c.Carriers[0].URL, "number", c.Accounts[0].Numbers[0].Number)
	}
	for _, private := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), "2125550123"} {
		if strings.Contains(out.String(), private) {
			t.Errorf("output shows %s", private)
		}
	}
	if !strings.Contains(out.String(), "***") || !strings.Contains(out.String(), "https://mmsc.example") {
		t.Error("output shows neither masks nor hosts: this test looks at nothing")
	}
}

func TestWarnings(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "open.pass"), "secret\n", 0o644)
	write(t, filepath.Join(dir, "tight.pass"), "secret\n", 0o640)
	text := `database: postgres://gw:hunter2@db/mmsgw
carriers:
  - name: north
    protocol: mm7
    url: http://127.0.0.1:9091/mm7
    auth: {basic: {username: gw, password_file: open.pass}}
    reports: {basic: {username: gw, password_file: tight.pass}}
  - {name: south, protocol: mm7, url: "http://127.0.0.1:9091/", reports: {open: true}, outcomes: [{code: 4031, then: split}]}
`
	c, err := Parse([]byte(text), filepath.Join(dir, "f.yaml"), noEnv, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(c.Warnings.Error(), dir+"/", "") + "\n"
	compare(t, "testdata/warnings.golden", got)
	if c := parse(t, "database: postgres://db/mmsgw\nmedia: file:/shared/dir\ncapability: {unknown: warn}\n"); len(c.Warnings) > 0 {
		t.Errorf("nothing is odd, but: %v", c.Warnings)
	}
}

// TestRoutesThatAreNeverReached sees which routes are warned of, and that those
// that only resemble the ones before are not.
func TestRoutesThatAreNeverReached(t *testing.T) {
	c, err := Parse([]byte(`carriers: [{name: n, protocol: mm7, url: "http://h/", reports: {open: true}}]
routes:
- {to: ["+1416", "+1604"], carriers: [n]}
- {to: ["+1604", "+1416"], carriers: [n]}
- {to: ["+14165"], kind: mms, carriers: [n]}
- {to: ["+1416", "+1"], carriers: [n]}
- {to: ["+141"], from: ["+1212"], carriers: [n]}
- {from: ["+1212"], network: [Bell], carriers: [n]}
- {from: ["+12125"], network: [Bell], carriers: [n]}
- {from: ["+12125"], network: [bell], carriers: [n]}
- {from: ["+1212"], network: [Bell, Rogers], carriers: [n]}
- {network: [Bell], carriers: [n]}
- {carriers: [n]}
- {kind: mms, carriers: [n]}
- {to: ["+44"], network: [O2], carriers: [n]}
`), "f.yaml", noEnv, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, w := range c.Warnings {
		if strings.HasPrefix(w.Key, "routes[") {
			got.WriteString(w.String() + "\n")
		}
	}
	compare(t, "testdata/routes.golden", got.String())
}

// TestManyRoutes sees that holding routes against each other has an end: without
// one these would take hours.
func TestManyRoutes(t *testing.T) {
	wide, narrow := make([]string, 1_000_000), make([]string, 1_000_000)
	for i := range wide {
		wide[i], narrow[i] = "+2", "+1"
	}
	wide[len(wide)-1] = "+1"
	r := newReader("f.yaml", "/", noEnv)
	r.checkOrder([]Route{{To: wide}, {To: narrow}}, []string{"mms", "mms"})
	r.checkOrder(make([]Route, 1_000_000), make([]string, 1_000_000))
	if !r.warnings.full() {
		t.Errorf("%d warnings of a million routes that are the same", len(r.warnings))
	}
}

// TestDayZoneOfTheDefault sees that a machine without a table of zones is told
// so where day caps need one.
func TestDayZoneOfTheDefault(t *testing.T) {
	for perDay, want := range map[int]string{0: "", 1: "install tzdata"} {
		r := newReader("f.yaml", "/", noEnv)
		r.checkDayZone("carriers[0].limits.", Limits{PerDay: perDay, DayZone: "Nowhere/Known"})
		if got := r.problems.Error(); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("per_day %d: got %q, want …%s…", perDay, got, want)
		}
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func TestLoadWhatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "--print-sample",
		dir:                             "not a regular file",
		"/dev/zero":                     "not a regular file",
	} {
		_, err := Load(path, noEnv, Options{})
		if p, ok := errors.AsType[Problems](err); !ok || !strings.Contains(p.Error(), want) {
			t.Errorf("%s: got %v, want …%s…", path, err, want)
		}
	}
}

func TestProblemsAsJSON(t *testing.T) {
	p := refuse(t, "log: {level: loud}\n")
	b, err := json.Marshal(p)
	want := `[{"file":"mmsgw.yaml","line":1,"column":14,"key":"log.level","message":"must be debug, info, warn or error"}]`
	if err != nil || string(b) != want {
		t.Errorf("got %s, %v\nwant %s", b, err, want)
	}
}
