package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsgw/client"
	"mmsgw/gateway"
	"mmsgw/mm7"
	"mmsgw/simulator"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		args []string
		code int
		out  string
		errs string
	}{
		{"nothing", nil, 2, "", "Commands:"},
		{"help", []string{"--help"}, 0, "mmsgw demo", ""},
		{"help as a word", []string{"help", "send"}, 0, "Examples:", ""},
		{"a command of a later release", []string{"console"}, 2, "", `there is no command "console"; there are demo, serve, send`},
		{"a flag for a command", []string{"--json"}, 2, "", "the command comes first"},
		{"an unknown flag", []string{"send", "--form", "x"}, 2, "", "unknown flag: --form; its flags are --help, --from"},
		{"an argument too many", []string{"version", "now"}, 2, "", `"now" is one too many`},
		{"another output", []string{"version", "--output", "xml"}, 2, "", "must be text or json"},
		{"a flag's value", []string{"send", "--timeout", "soon"}, 2, "", "--timeout"},
		{"no sender", []string{"send", "--to", "+14165550199"}, 2, "", "--from NUMBER"},
		{"no recipient", []string{"send", "--from", "+12125550123"}, 2, "", "--to NUMBER"},
		{"check and wait", []string{"send", "--from", "a", "--to", "b", "--check", "--wait"}, 2, "", "leave one out"},
		{"a picture that is not there", []string{"send", "--from", "a", "--to", "b", "--image", "none.png"}, 2, "", "none.png"},
		{"no daemon", []string{"send", "--from", "a", "--to", "b"}, 3, "", "no daemon was found"},
		{"a socket nobody has", []string{"show", "msg_1", "--socket", "none.sock"}, 3, "", "none.sock was not reached"},
		{"tail without a daemon", []string{"tail", "--socket", "none.sock"}, 3, "", "none.sock was not reached"},
		{"show without an id", []string{"show"}, 2, "", "name one message"},
		{"show an empty id", []string{"show", ""}, 2, "", "name one message"},
		{"queue without a daemon", []string{"queue"}, 3, "", "no daemon was found"},
		{"carriers and one word", []string{"carriers", "pause"}, 2, "", "pause NAME"},
		{"carriers and another word", []string{"carriers", "stop", "north"}, 2, "", "resume NAME"},
		{"cancel nothing", []string{"cancel"}, 2, "", "name one message by its id, or choose"},
		{"cancel an empty id", []string{"cancel", ""}, 2, "", "the id is empty"},
		{"a filter without a word", []string{"cancel", "--carrier", "north", "--reference", ""}, 2, "", "--reference is empty"},
		{"a filter without a number", []string{"hold", "--carrier", "north", "--to", ""}, 2, "", "--to is empty"},
		{"a recipient without a number", []string{"cancel", "msg_1", "--to="}, 2, "", "--to is empty"},
		{"cancel two", []string{"cancel", "msg_1", "msg_2"}, 2, "", `"msg_2" is one too many`},
		{"an id and a filter", []string{"hold", "msg_1", "--state", "queued"}, 2, "", "beside it only --to"},
		{"an id and since", []string{"hold", "msg_1", "--since", "2h"}, 2, "", "beside it only --to"},
		{"a dry run of one", []string{"retry", "msg_1", "--dry-run"}, 2, "", "--dry-run counts what flags choose"},
		{"two numbers as a filter", []string{"release", "--to", "1", "--to", "2"}, 2, "", "--to takes one number"},
		{"a time nobody can read", []string{"cancel", "--since", "yesterday"}, 2, "", `--since is "yesterday"`},
		{"a time to send nobody can read", []string{"send", "--from", "a", "--to", "b", "--send-at", "noon"}, 2, "", `--send-at is "noon"`},
		{"a verb without a daemon", []string{"cancel", "msg_1", "--socket", "none.sock"}, 3, "", "none.sock was not reached"},
		{"a verb by filter without a daemon", []string{"cancel", "--state", "held", "--socket", "none.sock"}, 3, "", "none.sock was not reached"},
		{"reload without a daemon", []string{"reload", "--socket", "none.sock"}, 3, "", "none.sock was not reached"},
		{"explain a reason", []string{"explain", "carrier_paused"}, 0, "mmsgw carriers resume", ""},
		{"explain a flag", []string{"explain", "to_not_mms_capable"}, 0, "is a flag", ""},
		{"explain an error", []string{"explain", "queue_full", "--output", "json"}, 0, `"kind":"error"`, ""},
		{"explain all", []string{"explain"}, 0, "idempotency_conflict ", ""},
		{"explain all as JSON", []string{"explain", "--output", "json"}, 0, `{"code":"waiting_turn","kind":"reason"`, ""},
		{"explain what is no code", []string{"explain", "carier_pausd"}, 2, "", `no code "carier_pausd"; the nearest are carrier_paused, `},
		{"explain two", []string{"explain", "a", "b"}, 2, "", "one code at a time"},
		{"serve without a file", []string{"serve"}, 2, "", "--config FILE"},
		{"serve with a file that is not there", []string{"serve", "--config", "none.yaml"}, 2, "", "none.yaml: cannot be read"},
		{"simulate nothing", []string{"simulate"}, 2, "", "say what to simulate"},
		{"a carrier of a later release", []string{"simulate", "smsc"}, 2, "", "say what to simulate: mmsc"},
		{"a fault nobody knows", []string{"simulate", "mmsc", "--listen", "127.0.0.1:0", "--fault", "bored"}, 2, "", `no fault "bored"`},
		{"half a login", []string{"simulate", "mmsc", "--report-user", "x"}, 2, "", "go together"},
		{"a demo's fault", []string{"demo", "--fault", "bored"}, 2, "", "there are refuse, slow"},
		{"too many pictures", []string{"demo", "--images", "11"}, 2, "", "0 to 10"},
		{"a shell nobody has", []string{"completion", "tcsh"}, 2, "", "bash, zsh or fish"},
		{"version", []string{"version"}, 0, "mmsgw " + release, ""},
		{"version as a flag", []string{"--version"}, 0, "mmsgw " + release, ""},
		{"version as JSON", []string{"version", "--output", "json"}, 0, `"version":"` + release + `"`, ""},
		{"sample", []string{"check-config", "--print-sample"}, 0, "state_dir: ./state", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			mmsgw(t, []string{"MMSGW_SOCKET="}, c.args...).want(t, c.code, c.out, c.errs)
		})
	}
}

func TestHelpHasExamples(t *testing.T) {
	for _, c := range commands() {
		var b bytes.Buffer
		c.help(&b)
		for _, want := range []string{c.summary, "\nExamples:\n  mmsgw ", "mmsgw " + c.name, "--help"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("the help of %s lacks %q:\n%s", c.name, want, b.String())
			}
		}
		if len(c.examples) == 0 {
			t.Errorf("%s has no example", c.name)
		}
	}
}

func TestCompletionScriptsAreSound(t *testing.T) {
	t.Parallel()
	script := mmsgw(t, nil, "completion", "bash")
	script.want(t, 0, "complete -o default -F _mmsgw mmsgw", "")
	cmd := exec.Command("bash", "-c", script.out+`
COMP_WORDS=(mmsgw sh); COMP_CWORD=1; _mmsgw; echo "${COMPREPLY[@]}"
COMP_WORDS=(mmsgw send --im); COMP_CWORD=2; _mmsgw; echo "${COMPREPLY[@]}"`)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "show\n--image\n" {
		t.Errorf("%q, %v; want show and --image", out, err)
	}
	for _, shell := range []string{"zsh", "fish"} {
		mmsgw(t, nil, "completion", shell).want(t, 0, "idempotency-key", "")
	}
}

// The protocol's room is not ours to import: its names are repeated.
func TestDialectsAreThoseOfTheProtocol(t *testing.T) {
	if !slices.Equal(dialects, mm7.Presets()) {
		t.Errorf("dialects %q, want %q", dialects, mm7.Presets())
	}
}

func TestDemoFaultsAreTheSimulators(t *testing.T) {
	for _, f := range demoFaults {
		if !slices.ContainsFunc(simulator.Faults(), func(s simulator.Fault) bool { return s.Name == f.name }) {
			t.Errorf("fault %s is not known to the simulator", f.name)
		}
	}
}

// What a demo offers, it can show.
func TestDemoOffersWhatItCanShow(t *testing.T) {
	var b bytes.Buffer
	demoCommand().help(&b)
	for _, f := range demoFaults {
		if !strings.Contains(b.String(), f.name) {
			t.Errorf("fault %s: the help says\n%s", f.name, b.String())
		}
	}
}

func TestDemoNumbersAreOrdinaryAndDistinct(t *testing.T) {
	seen := map[string]bool{demoSender: true}
	for i := range gateway.MaxRecipients {
		n := demoRecipient(i)
		if p := gateway.ParseNumber(n, ""); p.Problem != gateway.NumberFine || p.Territory || seen[n] {
			t.Fatalf("number %d, %s: %+v, seen before: %v", i, n, p, seen[n])
		}
		seen[n] = true
	}
	if demoRecipient(0) != "+14165550199" {
		t.Errorf("the first is %s", demoRecipient(0))
	}
}

func TestCheckConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("numbers.csv", "number_or_prefix,mms,network,class\n+1,perhaps,,\n")
	carrier := "\ncarriers: [{name: north, protocol: mm7, url: \"http://127.0.0.1:1/\", reports: {open: true}}]\nroutes: [{carriers: [north]}]\n"
	for _, c := range []struct {
		name, text string
		code       int
		want       []string
	}{
		{"good", "capability: {unknown: warn}" + carrier, 0, []string{"ok, with 1 warning", "reports.open"}},
		{"two faults with their places", "state_dri: x\nlog: {level: loud}\n", 2, []string{":1:1: state_dri", ":2:14: log.level", "2 faults"}},
		{"a dialect", "carriers:\n  - {name: n, protocol: mm7, dialect: rel-9, url: \"http://127.0.0.1:1/\", reports: {open: true}}\n", 2, []string{":2:39:", "rel-6-mm7-1-4 or rel-5-mm7-1-2"}},
		{"a user and a table", "operators: {users: [nobody-has-this-name]}\ncapability: {file: numbers.csv}\n", 2,
			[]string{"operators.users[0]: no user of this machine", "capability.file: capability file", "line 2: mms is \"perhaps\"", "2 faults"}},
		{"a number that can't send", "capability: {unknown: warn}\naccounts: [{id: a, numbers: [\"+18765550100\"]}]" + carrier, 0, []string{"accounts[0].numbers[0]: is no number"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := write(strings.ReplaceAll(c.name, " ", "-")+".yaml", c.text)
			r := mmsgw(t, nil, "check-config", "--config", file)
			for _, want := range c.want {
				r.want(t, c.code, want, "")
			}
			answer := decode[checked](t, mmsgw(t, nil, "check-config", "--config", file, "--output", "json").out)
			if answer.OK != (c.code == 0) || answer.OK != (len(answer.Problems) == 0) {
				t.Errorf("as JSON: %+v", answer)
			}
			if c.code != 0 {
				mmsgw(t, nil, "serve", "--config", file).want(t, 2, "", answer.Problems[0].Message)
			}
		})
	}
}

// The socket is looked for where the contract says, in its order.
func TestSocketOrder(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("c.yaml", []byte("listen: {api: [\"unix:of-config.sock\"]}\ncapability: {unknown: warn}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"MMSGW_SOCKET": "of-env.sock"}
	term := &terminal{out: os.Stdout, err: os.Stderr, env: func(n string) (string, bool) { v, ok := env[n]; return v, ok }}
	want := func(r reach, target string) {
		t.Helper()
		if got, err := r.target(term); got != target || err != nil {
			t.Errorf("%+v: %q, %v; want %q", r, got, err, target)
		}
	}
	want(reach{socket: "named.sock", config: "c.yaml"}, "named.sock")
	want(reach{config: "c.yaml"}, "of-env.sock")
	delete(env, "MMSGW_SOCKET")
	want(reach{config: "c.yaml"}, "unix:"+filepath.Join(dir, "of-config.sock"))
	if err := os.MkdirAll("state", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("state/mmsgw.sock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want(reach{}, "./state/mmsgw.sock")
}

func TestParagraph(t *testing.T) {
	reason := &client.Reason{Code: "backing_off", Message: "The last try did not succeed."}
	m := &client.Message{ID: "msg_1", From: "+12125550123", To: []string{"+14165550199"}, State: "queued", Counts: map[string]int{"queued": 1},
		Deliveries: []client.Delivery{{To: "+14165550199", State: "queued", Carrier: "north", CarrierStatus: "3000", ClaimedBy: "gateway", Reason: reason}}}
	at := time.Now().Add(time.Hour)
	m.Deliveries[0].NextAttemptAt, m.ExpiresAt = &at, at.AddDate(0, 0, 1)
	want := "msg_1 from +12125550123 to +14165550199 has not ended: queued. It is here, for the carrier north. The last try did not succeed. " +
		"The code of the last try is 3000. The next try is at " + clock(at) + ". It is valid until " + clock(m.ExpiresAt) + " and is not sent any more after that."
	if got := paragraph(m); got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
	m.Deliveries[0].NextAttemptAt = new(at.Add(-2 * time.Hour))
	if got := paragraph(m); !strings.Contains(got, "is 3000. That is due now. It is valid") {
		t.Errorf("what is due: %q", got)
	}
	m.Final, m.State, m.To = true, "mixed", []string{"1", "2", "3", "4", "5"}
	m.Counts = map[string]int{"delivered": 4, "failed": 1}
	m.Deliveries = []client.Delivery{{State: "delivered"}, {State: "delivered"}, {To: "3", State: "failed", Reason: reason, ClaimedBy: "carrier", Carrier: "north", CarrierStatus: "2004"}, {State: "delivered"}, {State: "delivered"}}
	want = "msg_1 from +12125550123 to 5 recipients has ended: mixed. 4 delivered, 1 failed. 3: failed. The last try did not succeed. So says the carrier north (2004)."
	if got := paragraph(m); got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// Of several recipients what has the same fate is told once, by the one that
// goes on first.
func TestParagraphOfSeveral(t *testing.T) {
	soon, later := time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	m := &client.Message{ID: "msg_1", From: "+12125550123", State: "queued", ExpiresAt: later}
	add := func(state string, code string, at *time.Time) {
		m.To = append(m.To, fmt.Sprint(len(m.To)+1))
		m.Deliveries = append(m.Deliveries, client.Delivery{To: m.To[len(m.To)-1], State: state, Carrier: "north", NextAttemptAt: at,
			Reason: &client.Reason{Code: code, Message: "It is so."}})
	}
	add("queued", "waiting_turn", nil)
	for _, at := range []time.Time{later, soon, later, later} {
		add("scheduled", "scheduled", &at)
	}
	add("failed", "carrier_refused_size", nil)
	add("delivered", "retrieved", nil)
	add("sent", "awaiting_report", nil)
	m.Counts = map[string]int{"queued": 1, "scheduled": 4, "failed": 1, "delivered": 1, "sent": 1}
	want := "msg_1 from +12125550123 to 8 recipients has not ended: queued. 1 delivered, 1 failed, 1 queued, 4 scheduled, 1 sent. " +
		"1: queued. It is here, for the carrier north. It is so. " +
		"2, 3, 4 and 1 more: scheduled. It is here, for the carrier north. It is so. That is at " + clock(soon) + ". " +
		"6: failed. It is so. It was last tried with the carrier north. mmsgw show tells of the others one by one. " +
		"It is valid until " + clock(later) + " and is not sent any more after that."
	if got := paragraph(m); got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
}

func TestColourOnlyOnATerminal(t *testing.T) {
	var b bytes.Buffer
	plain := &terminal{out: &b, err: &b}
	plain.progress("waiting")
	plain.line("%s", plain.paint(green, "delivered"))
	if b.String() != "delivered\n" {
		t.Errorf("a pipe gets %q", b.String())
	}
	b.Reset()
	colour := &terminal{out: &b, err: &b, live: true, color: true}
	colour.progress("waiting")
	colour.line("%s", colour.paint(green, "delivered"))
	if want := "\r\x1b[Kwaiting\r\x1b[K\x1b[32mdelivered\x1b[0m\n"; b.String() != want {
		t.Errorf("a terminal gets %q, want %q", b.String(), want)
	}
}
