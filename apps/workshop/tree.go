package workshop

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// tree is a JSON value whose objects are read where a path leads into them, each once, and written once.
type tree struct {
	text    jsontext.Value // the value; nil if it is an object that was read
	members []branch
}

type branch struct {
	name string
	tree *tree
}

// enter reads the value's members, and reports whether it is an object.
func (t *tree) enter() bool {
	if t.text == nil {
		return true
	}
	o, err := readObject(t.text)
	if err != nil {
		return false
	}
	t.text, t.members = nil, make([]branch, 0, len(o)+1)
	for _, m := range o {
		t.members = append(t.members, branch{m.name, &tree{text: m.value}})
	}
	return true
}

func (t *tree) at(name string) int {
	return slices.IndexFunc(t.members, func(b branch) bool { return b.name == name })
}

// get gives a member of an object that was entered, null if there is none.
func (t *tree) get(name string) jsontext.Value {
	if at := t.at(name); at >= 0 {
		return t.members[at].tree.append(nil)
	}
	return jsontext.Value("null")
}

// set gives an object that was entered a member, in the place of the one of that name.
func (t *tree) set(name string, value jsontext.Value) {
	if at := t.at(name); at >= 0 {
		t.members[at].tree = &tree{text: value}
		return
	}
	t.members = append(t.members, branch{name, &tree{text: value}})
}

// put sets what a path means. A name with dots leads into objects, unless the object has a member of that very name; what leads
// nowhere is a name.
func (t *tree) put(path string, value jsontext.Value) {
	first, rest, dotted := strings.Cut(path, ".")
	if !dotted || t.at(path) >= 0 {
		t.set(path, value)
		return
	}
	if at := t.at(first); at >= 0 && t.members[at].tree.enter() {
		t.members[at].tree.put(rest, value)
		return
	}
	t.set(path, value)
}

// drop removes what a path means, and reports whether it was there.
func (t *tree) drop(path string) bool {
	if at := t.at(path); at >= 0 {
		t.members = slices.Delete(t.members, at, at+1)
		return true
	}
	first, rest, dotted := strings.Cut(path, ".")
	at := t.at(first)
	return dotted && at >= 0 && t.members[at].tree.enter() && t.members[at].tree.drop(rest)
}

// append appends the value as JSON.
func (t *tree) append(b []byte) jsontext.Value {
	if t.text != nil {
		return append(b, t.text...)
	}
	b = append(b, '{')
	for i, m := range t.members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, m.name), ':')
		b = m.tree.append(b)
	}
	return append(b, '}')
}
