package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// reader fills a Config from the nodes of one file and keeps what is wrong,
// and where each key stood, for the checks that follow.
type reader struct {
	file     string // as named in problems
	dir      string // what relative paths are relative to
	env      func(string) (string, bool)
	at       map[string]place // where the value of each key stands
	fromEnv  map[string]bool  // keys whose value held ${NAME}
	faulty   map[string]bool  // keys that have a problem
	broken   map[string]bool  // the same, and all that holds them
	problems Problems
	warnings Problems
	kinds    map[reflect.Type]map[string]int // field of each key, by type
}

func newReader(file, dir string, env func(string) (string, bool)) *reader {
	return &reader{
		file: file, dir: dir, env: env,
		at: map[string]place{}, fromEnv: map[string]bool{},
		faulty: map[string]bool{}, broken: map[string]bool{},
		kinds: map[reflect.Type]map[string]int{},
	}
}

// faultAt records a problem with the key path at a place of its own.
func (r *reader) faultAt(at place, path, format string, args ...any) {
	r.faulty[path] = true
	for p := path; p != ""; p = parent(p) {
		r.broken[p] = true
	}
	r.problems.add(Problem{r.file, at.line, at.column, path, fmt.Sprintf(format, args...)})
}

// fault records a problem with the key path where it stands, else where the
// nearest thing around it does. A key that already has a problem keeps to it.
func (r *reader) fault(path, format string, args ...any) {
	if path == "" || !r.faulty[path] {
		r.faultAt(r.place(path), path, format, args...)
	}
}

func (r *reader) warn(path, format string, args ...any) {
	at := r.place(path)
	r.warnings.add(Problem{r.file, at.line, at.column, path, fmt.Sprintf(format, args...)})
}

func (r *reader) place(path string) place {
	for path != "" {
		if at, ok := r.at[path]; ok {
			return at
		}
		path = parent(path)
	}
	return place{1, 1}
}

// parent is the path of what holds path.
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

// has tells whether the file names the key and gives it a value.
func (r *reader) has(path string) bool { _, ok := r.at[path]; return ok }

// decode puts the value of node into v. A key without a value is a key left out.
func (r *reader) decode(node ast.Node, v reflect.Value, path string) {
	if left(node) || r.problems.full() {
		return
	}
	r.at[path] = nodePlace(node)
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	s, isScalar := v.Addr().Interface().(scalar)
	text, plain := textOf(node)
	switch {
	case isScalar && plain:
		r.scalar(text, s, path)
	case hasKeys(v.Type()):
		r.mapping(node, v, path)
	case isScalar:
		r.wrongType(node, v, path)
	case v.Kind() == reflect.Slice:
		r.sequence(node, v, path)
	default:
		r.basic(node, v, path)
	}
}

// mapping reads keys and values into the fields of a struct.
func (r *reader) mapping(node ast.Node, v reflect.Value, path string) {
	m, ok := node.(*ast.MappingNode)
	if !ok {
		r.wrongType(node, v, path)
		return
	}
	fields, seen := r.fields(v.Type()), map[string]int{}
	for _, pair := range m.Values {
		if r.problems.full() {
			return
		}
		key, at := keyText(pair.Key), nodePlace(pair.Key)
		full := join(path, key)
		if line, again := seen[key]; again {
			r.faultAt(at, full, "is given twice; it stands on line %d already", line)
			continue
		}
		seen[key] = at.line
		if i, ok := fields[key]; ok {
			r.decode(pair.Value, v.Field(i), full)
		} else if u, ok := unbuilt[generic(full)]; ok {
			r.unbuilt(u, pair.Value, full)
		} else {
			r.faultAt(at, full, "is not a key here; %s", suggest(key, r.known(fields, path)))
		}
	}
}

// sequence reads a list, each item from its type's defaults.
func (r *reader) sequence(node ast.Node, v reflect.Value, path string) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		r.wrongType(node, v, path)
		return
	}
	items := reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values))
	for i, n := range list.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		if left(n) {
			r.faultAt(nodePlace(list), at, "is an empty item; remove its dash or give it a value")
			continue
		}
		if d, ok := items.Index(i).Addr().Interface().(interface{ defaults() }); ok {
			d.defaults()
		}
		r.decode(n, items.Index(i), at)
	}
	v.Set(items)
}

// scalar reads one of our own types. What it complains of is quoted as the file
// writes it, before ${NAME} is filled in, and never where it is a secret or a
// number.
func (r *reader) scalar(text string, s scalar, path string) {
	value, ok := r.expand(text, path)
	if !ok {
		return
	}
	if err := s.set(value); err != nil {
		quoted := "the value"
		switch s.(type) {
		case *Size, *Duration, *Prefix, *Address, *Code:
			quoted = quote(text)
		}
		r.fault(path, "%s %s", quoted, err)
	}
}

// basic reads strings, numbers, true and false.
func (r *reader) basic(node ast.Node, v reflect.Value, path string) {
	text, ok := textOf(node)
	quoted := node.Type() == ast.StringType || node.Type() == ast.LiteralType
	value := text
	if ok && quoted {
		if value, ok = r.expand(text, path); !ok {
			return
		}
	}
	if !ok || quoted != (v.Kind() == reflect.String) && !r.fromEnv[path] || !set(v, value) {
		r.wrongType(node, v, path)
	}
}

// set puts text into a string, int, float64 or bool.
func set(v reflect.Value, text string) bool {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		v.SetInt(int64(n))
		return err == nil && strconv.Itoa(n) == text
	case reflect.Float64:
		n, err := strconv.ParseFloat(text, 64)
		v.SetFloat(n)
		return err == nil && n-n == 0 // neither infinite nor NaN
	case reflect.Bool:
		v.SetBool(text == "true")
		return text == "true" || text == "false"
	}
	return true
}

var (
	reference = regexp.MustCompile(`\$?\$\{[^}]*\}?`)
	envName   = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)
)

// expand fills in ${NAME} from the environment; $${ stands for ${ itself.
// Control characters are refused, for these texts end up in protocol headers.
func (r *reader) expand(text, path string) (string, bool) {
	before := len(r.problems)
	value := reference.ReplaceAllStringFunc(text, func(ref string) string {
		if strings.HasPrefix(ref, "$$") {
			return ref[1:]
		}
		r.fromEnv[path] = true
		name := envName.FindStringSubmatch(ref)
		if name == nil {
			r.fault(path, "%s is not a reference to the environment; write ${NAME}, or $${ for ${ itself", quote(ref))
			return ""
		}
		v, ok := r.env(name[1])
		if !ok {
			r.fault(path, "${%s} is not set in the environment", name[1])
		}
		return v
	})
	if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		r.fault(path, "holds a line break or another control character; write it on one line")
	}
	return value, len(r.problems) == before && !r.faulty[path]
}

func (r *reader) wrongType(node ast.Node, v reflect.Value, path string) {
	want := map[reflect.Kind]string{
		reflect.String: "text", reflect.Int: "a whole number", reflect.Float64: "a number",
		reflect.Bool: "true or false", reflect.Slice: "a list", reflect.Struct: "keys with values",
	}[v.Kind()]
	if _, ok := v.Addr().Interface().(scalar); ok && !hasKeys(v.Type()) {
		want = "a single value"
	}
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Struct {
		want = "a list such as [a, b]"
	}
	// A mapping is among these: within { } the parser takes [unix:x] for one.
	found, hint := describe(node), ""
	if (v.Kind() == reflect.String || want == "a single value") && node.Type() != ast.SequenceType {
		hint = "; put it in quotes"
	}
	r.fault(path, "wants %s, found %s%s", want, found, hint)
}

// keyOf is the key of a struct's field, empty where it has none.
func keyOf(f reflect.StructField) string {
	if key := f.Tag.Get("yaml"); key != "-" {
		return key
	}
	return ""
}

// hasKeys tells a struct that the file writes as keys with values.
func hasKeys(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.NumField() > 0 && keyOf(t.Field(0)) != ""
}

// fields are the keys of a struct type.
func (r *reader) fields(t reflect.Type) map[string]int {
	if known, ok := r.kinds[t]; ok {
		return known
	}
	keys := map[string]int{}
	for i := range t.NumField() {
		if key := keyOf(t.Field(i)); key != "" {
			keys[key] = i
		}
	}
	r.kinds[t] = keys
	return keys
}

// known lists the keys that may stand below path.
func (r *reader) known(fields map[string]int, path string) []string {
	var keys []string
	for key := range fields {
		keys = append(keys, key)
	}
	for full := range unbuilt {
		if rest, ok := strings.CutPrefix(full, generic(join(path, ""))); ok && !strings.ContainsAny(rest, ".[") {
			keys = append(keys, rest)
		}
	}
	return keys
}

var index = regexp.MustCompile(`\[[0-9]+\]`)

// generic is path for any item of its lists.
func generic(path string) string { return index.ReplaceAllString(path, "[]") }

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// left tells whether a key was left without a value.
func left(node ast.Node) bool { return node == nil || node.Type() == ast.NullType }

func nodePlace(node ast.Node) place {
	if m, ok := node.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		return nodePlace(m.Values[0].Key)
	}
	return tokenPlace(node.GetToken())
}
