// Package mmsgw_test holds the source to the rules of the house: which room may
// import which, what the pure domain stays away from, how long things may grow,
// and what tests may not do. The rules read a tree of Go files, not built
// packages, so that they see every file whatever its build tags.
package mmsgw_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// module is the path our own imports begin with.
const module = "mmsgw"

// rooms says which of our packages each of our packages may import. It is the
// architecture in one table: a new room or a new arrow is a decision, made here.
// Siblings below gateway never meet; cmd/mmsgw joins them.
var rooms = map[string][]string{
	"cmd/mmsgw": {
		"capability", "client", "config", "gateway", "gateway/api", "gateway/carrier", "gateway/console",
		"gateway/hook", "gateway/media", "gateway/relay", "gateway/store", "simulator",
	},

	// Useful alone.
	"capability": {},
	"client":     {},
	"config":     {},
	"mm7":        {},
	"picture":    {},
	"smpp":       {},

	"gateway":         {"capability"},
	"gateway/api":     {"gateway", "client"},
	"gateway/carrier": {"gateway", "mm7", "smpp"},
	"gateway/console": {"client"},
	"gateway/hook":    {"gateway"},
	"gateway/media":   {"gateway", "picture"},
	"gateway/relay":   {"gateway"},
	"gateway/store":   {"gateway"},

	"simulator": {"mm7", "smpp"},

	".": {}, // these rules
}

// open are programs beside the product, which may import any room.
var open = []string{"testdata/backlog", "testdata/bench"}

// peers are the rooms that any test may import: real ones stand in for mocks.
var peers = []string{"capability", "gateway/store", "mm7", "picture", "simulator"}

// impure are the packages, with all below them, that the domain does not touch.
// net/netip, net/url and their like only compute, and are welcome.
var impure = []string{"database/sql", "net/http", "net/rpc", "net/smtp", "os", "syscall"}

// blank are the only packages imported for their effect: what go:embed asks
// for, the time zones, and the drivers of the store.
var blank = map[string]string{
	"embed":                                "",
	"time/tzdata":                          "cmd/mmsgw",
	"github.com/ncruces/go-sqlite3/driver": "gateway/store",
	"github.com/jackc/pgx/v5/stdlib":       "gateway/store",
}

const (
	maxFunction  = 80  // lines, its braces included
	maxFile      = 600 // lines; a longer file has two subjects
	maxInterface = 6   // methods
)

func TestHouseImports(t *testing.T)    { hold(t, arrows) }
func TestHousePureDomain(t *testing.T) { hold(t, purity) }
func TestHouseBudgets(t *testing.T)    { hold(t, budgets) }
func TestHouseManners(t *testing.T)    { hold(t, manners) }

// TestHouseNotices breaks each rule once, in a tree of its own: a rule that
// cannot be broken holds nothing.
func TestHouseNotices(t *testing.T) {
	long := strings.Repeat("\n", maxFunction-1)
	for _, c := range []struct {
		name, file, source string
		rule               rule
		want               string // part of the one complaint; "" for none
	}{
		{"allowed arrow", "gateway/store/a.go", `import _ "mmsgw/gateway"`, arrows, ""},
		{"sideways", "gateway/store/a.go", `import "mmsgw/gateway/relay"`, arrows, "gateway/store may not import gateway/relay"},
		{"upwards", "gateway/a.go", `import "mmsgw/gateway/store"`, arrows, "gateway may not import gateway/store"},
		{"a command and a protocol", "cmd/mmsgw/a.go", `import "mmsgw/mm7"`, arrows, "cmd/mmsgw may not import mm7"},
		{"an unknown room", "gateway/util/a.go", ``, arrows, "gateway/util is not a room"},
		{"a room below a room", "gateway/store/pg/a.go", ``, arrows, "gateway/store/pg is not a room"},
		{"an unknown room of tests", "e2e/a_test.go", ``, arrows, "e2e is not a room"},
		{"an import of no room", "gateway/a.go", `import "mmsgw/helpers"`, arrows, "gateway may not import helpers"},
		{"a peer in a test", "gateway/carrier/a_test.go", `import "mmsgw/simulator"`, arrows, ""},
		{"its own room in a test", "gateway/api/a_test.go", `import "mmsgw/gateway/api"`, arrows, ""},
		{"sideways in a test", "gateway/api/a_test.go", `import "mmsgw/gateway/relay"`, arrows, "gateway/api may not import gateway/relay"},
		{"a peer outside a test", "gateway/carrier/a.go", `import "mmsgw/simulator"`, arrows, "gateway/carrier may not import simulator"},
		{"the benchmark", "testdata/bench/a.go", `import "mmsgw/gateway/relay"`, arrows, ""},
		{"other test data", "gateway/testdata/a.go", `import "mmsgw/gateway/relay"`, arrows, ""},
		{"another name for a room", "gateway/hook/a.go", `import x "mmsgw/config"`, arrows, "gateway/hook may not import config"},

		{"a socket in the domain", "gateway/a.go", `import "net"`, purity, "gateway may not import net"},
		{"the file system in the domain", "gateway/a.go", `import "os/signal"`, purity, "gateway may not import os/signal"},
		{"SQL in the domain", "gateway/a.go", `import "database/sql"`, purity, "gateway may not import database/sql"},
		{"addresses in the domain", "gateway/a.go", `import "net/netip"`, purity, ""},
		{"a goroutine in the domain", "gateway/a.go", `func f() { go f() }`, purity, "goroutine"},
		{"a file in its test", "gateway/a_test.go", `import "os"`, purity, ""},
		{"a socket elsewhere", "gateway/api/a.go", `import "net"`, purity, ""},

		{"a full function", "mm7/a.go", "func f() {" + long + "}", budgets, ""},
		{"a long function", "mm7/a.go", "func f() {\n" + long + "}", budgets, "f has 81 lines"},
		{"a long method", "mm7/a.go", "type T int\nfunc (T) m() {\n" + long + "}", budgets, "m has 81 lines"},
		{"a long test", "mm7/a_test.go", "func f() {\n" + long + "}", budgets, ""},
		{"a full file", "mm7/a.go", strings.Repeat("\n", maxFile-1), budgets, ""},
		{"a long file", "mm7/a.go", strings.Repeat("\n", maxFile), budgets, "601 lines"},
		{"a wide interface", "mm7/a.go", `type I interface { A(); B(); C(); D(); E(); F(); G() }`, budgets, "I has 7 methods"},

		{"init", "mm7/a.go", `func init() {}`, manners, "init"},
		{"init in a test", "mm7/a_test.go", `func init() {}`, manners, "init"},
		{"a method named init", "mm7/a.go", `type T int; func (T) init() {}`, manners, ""},
		{"a sleeping test", "mm7/a_test.go", `import "time"; func f() { time.Sleep(1) }`, manners, "time.Sleep"},
		{"a sleep under another name", "mm7/a_test.go", `import clock "time"; var f = clock.Sleep`, manners, "time.Sleep"},
		{"a sleep of its own", "mm7/a_test.go", `func f() { time.Sleep(1) }`, manners, ""},
		{"a driver", "gateway/store/a.go", `import _ "github.com/ncruces/go-sqlite3/driver"`, manners, ""},
		{"a driver elsewhere", "gateway/hook/a.go", `import _ "github.com/ncruces/go-sqlite3/driver"`, manners, "blank import"},
		{"an import for its effect", "mm7/a.go", `import _ "image/png"`, manners, "blank import"},
		{"an embedded file", "mm7/a.go", `import _ "embed"`, manners, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := fstest.MapFS{c.file: {Data: []byte("package p;" + c.source + "\n")}}
			got := complaints(t, tree, c.rule)
			if c.want == "" && len(got) > 0 {
				t.Errorf("complains without need: %q", got)
			}
			if c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
				t.Errorf("complaints %q, want one with %q", got, c.want)
			}
		})
	}
}

// file is one Go file of the tree.
type file struct {
	room  string // its folder, "." for the root of the module
	test  bool
	lines int
	set   *token.FileSet
	ast   *ast.File
}

// span is the number of lines that n covers.
func (f file) span(n ast.Node) int {
	return f.set.Position(n.End()).Line - f.set.Position(n.Pos()).Line + 1
}

// rule looks at one file and tells complain what breaks it, and where.
type rule func(f file, complain complain)

type complain func(at token.Pos, format string, args ...any)

func hold(t *testing.T, r rule) {
	t.Helper()
	for _, c := range complaints(t, os.DirFS("."), r) {
		t.Error(c)
	}
}

// complaints holds every Go file of tree against one rule.
func complaints(t *testing.T, tree fs.FS, r rule) []string {
	t.Helper()
	var all []string
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && skipped(name) {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		source, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, name, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		r(file{
			room:  path.Dir(name),
			test:  strings.HasSuffix(name, "_test.go"),
			lines: strings.Count(string(source), "\n"),
			set:   set,
			ast:   parsed,
		}, func(at token.Pos, format string, args ...any) {
			all = append(all, set.Position(at).String()+": "+fmt.Sprintf(format, args...))
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// skipped says whether a folder is none of ours to judge: what the go command
// leaves out too, but for the programs in open.
func skipped(dir string) bool {
	if slices.ContainsFunc(open, func(o string) bool { return o == dir || path.Dir(o) == dir }) {
		return false
	}
	base := path.Base(dir)
	return dir != "." && (base[0] == '.' || base[0] == '_' || base == "testdata" || strings.HasPrefix(dir, "testdata/"))
}

// arrows: a room imports only what the table of rooms allows.
func arrows(f file, complain complain) {
	allowed, known := rooms[f.room]
	if slices.Contains(open, f.room) {
		return
	}
	if !known {
		complain(f.ast.Package, "%s is not a room; put the file into one, or add the room to the table in house_test.go", f.room)
	}
	if f.test {
		allowed = slices.Concat(allowed, peers, []string{f.room})
	}
	for _, spec := range f.ast.Imports {
		room, ours := strings.CutPrefix(imported(spec), module+"/")
		if ours && !slices.Contains(allowed, room) {
			complain(spec.Pos(), "%s may not import %s (the table in house_test.go says what it may)", f.room, room)
		}
	}
}

// purity: the domain computes; sockets, files, SQL and goroutines are for the
// rooms around it.
func purity(f file, complain complain) {
	if f.room != "gateway" || f.test {
		return
	}
	for _, spec := range f.ast.Imports {
		name := imported(spec)
		below := func(i string) bool { return name == i || strings.HasPrefix(name, i+"/") }
		if name == "net" || slices.ContainsFunc(impure, below) {
			complain(spec.Pos(), "gateway may not import %s: the domain is pure", name)
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if g, ok := n.(*ast.GoStmt); ok {
			complain(g.Pos(), "gateway starts a goroutine: the domain is pure")
		}
		return true
	})
}

// budgets: functions, files and interfaces outside tests stay small.
func budgets(f file, complain complain) {
	if f.test {
		return
	}
	if f.lines > maxFile {
		complain(f.ast.Package, "the file has %d lines, %d at most: it has two subjects", f.lines, maxFile)
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if lines := f.span(n); lines > maxFunction {
				complain(n.Pos(), "%s has %d lines, %d at most", n.Name, lines, maxFunction)
			}
		case *ast.TypeSpec:
			if i, ok := n.Type.(*ast.InterfaceType); ok && i.Methods.NumFields() > maxInterface {
				complain(n.Pos(), "%s has %d methods, %d at most", n.Name, i.Methods.NumFields(), maxInterface)
			}
		}
		return true
	})
}

// manners: nothing happens by being imported, and no test waits for the clock.
func manners(f file, complain complain) {
	clock := ""
	for _, spec := range f.ast.Imports {
		name := imported(spec)
		if room, ok := blank[name]; spec.Name != nil && spec.Name.Name == "_" && (!ok || room != "" && room != f.room) {
			complain(spec.Pos(), "blank import of %s: only the store's SQL drivers, and embed", name)
		}
		if name == "time" {
			clock = "time"
			if spec.Name != nil {
				clock = spec.Name.Name
			}
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				complain(n.Pos(), "init runs unasked; let a constructor do it")
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && f.test && x.Name == clock && n.Sel.Name == "Sleep" {
				complain(n.Pos(), "time.Sleep in a test; wait on a channel, or use testing/synctest")
			}
		}
		return true
	})
}

// imported is the path in an import.
func imported(spec *ast.ImportSpec) string {
	name, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		panic(err) // the parser let it pass
	}
	return name
}
