package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Change is one key that two configurations have at different values. Old and
// New are as a file would write them, but for what is not to be shown: *** is a
// secret, https://mmsc.example/*** a URL, …0123 a number. Either is empty where
// the key is left out.
//
// An item that is only in one of them is one change with the key of the item:
// Old is empty, and New is added or removed.
type Change struct {
	Key string `json:"key"` // path of the key, such as carriers[north].limits.per_second
	Old string `json:"old"`
	New string `json:"new"`
}

// restart are the keys, with all below them, that a running daemon stands on.
var restart = []string{"state_dir", "database", "media", "media_reserve", "listen"}

// NeedsRestart tells that only a restart puts the change into effect. All else
// a reload does.
func (c Change) NeedsRestart() bool {
	section, _, _ := strings.Cut(c.Key, ".")
	return slices.Contains(restart, section)
}

// Diff is what differs between two checked configurations, in the order of the
// struct. Accounts are matched by id, carriers by name, an account's numbers by
// number, so that their order is no difference; items of other lists are matched
// by position. Lists of single values are one value. What a file takes from the
// environment is shown, unless its key is one for secrets.
func Diff(old, new *Config) []Change {
	var d differ
	d.fields("", reflect.ValueOf(*old), reflect.ValueOf(*new))
	return d.changes
}

type differ struct{ changes []Change }

func (d *differ) add(key, old, new string) {
	d.changes = append(d.changes, Change{key, old, new})
}

// fields compares two structs with keys.
func (d *differ) fields(path string, a, b reflect.Value) {
	for i := range a.NumField() {
		if key := keyOf(a.Type().Field(i)); key != "" {
			d.value(join(path, key), a.Field(i), b.Field(i))
		}
	}
}

func (d *differ) value(path string, a, b reflect.Value) {
	switch t := a.Type(); {
	case t.Kind() == reflect.Pointer && hasKeys(t.Elem()):
		d.group(path, a, b)
	case t.Kind() == reflect.Slice && hasKeys(t.Elem()):
		d.list(path, a, b)
	case hasKeys(t):
		d.fields(path, a, b)
	case t.Kind() == reflect.Slice && a.Len()+b.Len() == 0: // nil or not
	case !reflect.DeepEqual(a.Interface(), b.Interface()):
		d.add(path, written(path, a), written(path, b))
	}
}

// group compares keys that are there together or not at all.
func (d *differ) group(path string, a, b reflect.Value) {
	switch {
	case a.IsNil() && b.IsNil():
	case a.IsNil():
		d.add(path, "", "added")
	case b.IsNil():
		d.add(path, "", "removed")
	default:
		d.fields(path, a.Elem(), b.Elem())
	}
}

// list compares what both lists have, in the order of a, then tells what only b has.
func (d *differ) list(path string, a, b reflect.Value) {
	in := map[string]reflect.Value{}
	for i := range b.Len() {
		id, _ := identity(b.Index(i), i)
		in[id] = b.Index(i)
	}
	for i := range a.Len() {
		id, shown := identity(a.Index(i), i)
		at := fmt.Sprintf("%s[%s]", path, shown)
		if other, ok := in[id]; ok {
			d.fields(at, a.Index(i), other)
		} else {
			d.add(at, "", "removed")
		}
		delete(in, id)
	}
	for i := range b.Len() {
		if id, shown := identity(b.Index(i), i); in[id].IsValid() {
			d.add(fmt.Sprintf("%s[%s]", path, shown), "", "added")
		}
	}
}

// identity is what an item is known by, and how that may be shown.
func identity(item reflect.Value, position int) (id, shown string) {
	switch x := item.Interface().(type) {
	case Account:
		return x.ID, x.ID
	case Carrier:
		return x.Name, x.Name
	case Number:
		return string(x.Number), x.Number.String()
	}
	id = strconv.Itoa(position)
	return id, id
}

// written is a value as the file would write it, masked where it has to be.
func written(path string, v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	if v.Kind() != reflect.Slice {
		return single(path, v, plainText)
	}
	items := make([]string, v.Len())
	for i := range items {
		items[i] = single(path, v.Index(i), plainItem)
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// single writes text without quotes where it is plain.
func single(path string, v reflect.Value, plain *regexp.Regexp) string {
	switch x := v.Interface().(type) {
	case Secret:
		if x.Reveal() != "" {
			return x.String()
		}
		return `""`
	case URL:
		if x.Reveal() != x.String() { // its path or query may be what lets us in
			return x.String() + "/***"
		}
		return text(x.String(), plain)
	case Size, Duration, Code:
		return fmt.Sprint(x)
	case fmt.Stringer: // Address, Prefix
		return text(x.String(), plain)
	}
	switch v.Kind() {
	case reflect.String:
		s := v.String()
		if path == "media" && s != "" {
			s = "file:" + s
		}
		return text(s, plain)
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	}
	return fmt.Sprint(v.Interface())
}

var (
	plainText = regexp.MustCompile(`^[A-Za-z_/]([A-Za-z0-9_./:@+-]*[A-Za-z0-9_./@+-])?$`)
	plainItem = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./@+-]*$`)
	// reserved are words that YAML reads as something else than text.
	reserved = regexp.MustCompile(`(?i)^(null|true|false)$`)
)

// text writes a text, numbers in it masked that are all there is of it: some
// lists of beginnings of numbers hold whole ones.
func text(s string, plain *regexp.Regexp) string {
	switch {
	case e164.MatchString(s):
		return Phone(s).String()
	case plain.MatchString(s) && !reserved.MatchString(s):
		return s
	}
	return strconv.Quote(strings.ReplaceAll(s, "${", "$${"))
}
