package capability

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var read = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const table = `number_or_prefix,mms,network,class
+1,yes,,mobile
+1800,no,,toll_free
+18005550199,unknown,somos,toll_free
+1416,yes,rogers,mobile
+14165550100,no,bell,landline
`

func TestTheLongestPrefixAnswers(t *testing.T) {
	f, err := ReadFile(strings.NewReader(table), read)
	if err != nil {
		t.Fatal(err)
	}
	numbers := []string{"+12125550123", "+18005550123", "+18005550199", "+14165550199", "+14165550100", "+442079460958"}
	want := []Profile{
		{MMS: Yes, Class: "mobile"}, {MMS: No, Class: "toll_free"}, {MMS: Unknown, Network: "somos", Class: "toll_free"},
		{MMS: Yes, Network: "rogers", Class: "mobile"}, {MMS: No, Network: "bell", Class: "landline"}, {MMS: Unknown},
	}
	for i, r := range f.Lookup(t.Context(), numbers) {
		w := want[i]
		w.Number, w.Source, w.FetchedAt = numbers[i], "file", read
		if r.Err != nil || r.Profile != w {
			t.Errorf("%s: %+v, %v; want %+v", numbers[i], r.Profile, r.Err, w)
		}
	}
	if got := f.Lookup(t.Context(), nil); len(got) != 0 {
		t.Errorf("nothing asked, %v answered", got)
	}
}

func TestATableThatIsWrongIsRefusedWhole(t *testing.T) {
	const head = "number_or_prefix,mms,network,class\n"
	for name, c := range map[string]struct{ table, want string }{
		"empty":     {"", "its first line must be number_or_prefix,mms,network,class"},
		"no header": {"+1,yes,,\n", "line 1: the first line must be"},
		"short":     {head + "+1,yes\n", "line 2: 2 columns; want 4"},
		"answer":    {head + "+1,yes,,\n+12,maybe,,\n", `line 3: mms is "maybe"; want yes, no or unknown`},
		"number":    {head + "1212,yes,,\n", "line 2: number_or_prefix must be + and 1 to 15 digits"},
		"letters":   {head + "+1a,yes,,\n", "line 2: number_or_prefix"},
		"too long":  {head + "+1234567890123456,yes,,\n", "line 2: number_or_prefix"},
		"twice":     {head + "+1,yes,,\n+1,no,,\n", "line 3: the same number_or_prefix"},
		"quotes":    {head + "\"+1,yes,,\n", "quote"},
	} {
		f, err := ReadFile(strings.NewReader(c.table), read)
		if f != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	endless := head + strings.Repeat("+1,yes,"+strings.Repeat("x", 1000)+",\n", maxFile/1000+1)
	if _, err := ReadFile(strings.NewReader(endless), read); err == nil {
		t.Error("a file over the limit was taken")
	}
}

func TestOpenFileNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "numbers.csv")
	if _, err := OpenFile(path, read); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFile(path, read); err == nil || !strings.Contains(err.Error(), path+": line 1") {
		t.Errorf("a wrong file: %v", err)
	}
}

func TestOutOfCredit(t *testing.T) {
	none, some := 0.0, 0.01
	for _, c := range []struct {
		credit *float64
		want   bool
	}{{nil, false}, {&none, true}, {&some, false}} {
		if got := (Standing{Credit: c.credit}).OutOfCredit(); got != c.want {
			t.Errorf("%v: %v", c.credit, got)
		}
	}
}

func FuzzReadFile(f *testing.F) {
	f.Add(table)
	f.Add("number_or_prefix,mms,network,class\n\"+1\",yes,\"a\nb\",\n")
	f.Fuzz(func(t *testing.T, s string) {
		file, err := ReadFile(strings.NewReader(s), read)
		if (file == nil) == (err == nil) {
			t.Fatalf("%v, %v", file, err)
		}
		if file != nil {
			for _, r := range file.Lookup(t.Context(), []string{"+12125550123", "", "+"}) {
				if r.Profile.MMS != Yes && r.Profile.MMS != No && r.Profile.MMS != Unknown {
					t.Fatalf("%+v", r)
				}
			}
		}
	})
}
