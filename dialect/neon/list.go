package neon

import (
	"iter"

	"carillon/dialect"
)

// several walks the elements of a list, or the one object that stands for a list of one.
func several(sent []byte) iter.Seq[[]byte] {
	if len(sent) > 0 && sent[0] == '{' {
		return func(yield func([]byte) bool) { yield(sent) }
	}
	return dialect.Elements(sent)
}

// list is {"name": …} in the making: one element as an object, several as a list. That is what becomes of repeated elements of XML.
type list struct {
	b     []byte
	start int // of the object
	from  int // of the list
	count int
	// always says that one element is a list as well: so the vendor sent it.
	always bool
}

// newList begins an object with a list in the form in which the vendor sent it, if it did.
func newList(b []byte, name string, sent []byte) *list {
	l := &list{b: b, start: len(b)}
	l.b = append(append(append(l.b, `{"`...), name...), `":`...)
	l.from = len(l.b)
	l.b = append(l.b, '[')
	if len(sent) > 0 && sent[0] == '[' {
		elements := 0
		for range dialect.Elements(sent) {
			elements++
		}
		l.always = elements == 1
	}
	return l
}

// next gives what the next element is appended to.
func (l *list) next() []byte {
	if l.count > 0 {
		l.b = append(l.b, ',')
	}
	l.count++
	return l.b
}

// end gives what the list was appended to, with the list if it has any elements.
func (l *list) end() []byte {
	switch {
	case l.count == 0:
		return l.b[:l.start]
	case l.count == 1 && !l.always:
		l.b = append(l.b[:l.from], l.b[l.from+1:]...) // without its bracket
		return append(l.b, '}')
	default:
		return append(l.b, "]}"...)
	}
}
