package ledger

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
	"carillon/spelling"
)

// Bounds of custom fields and numbers.
const (
	maxUIDLength        = 64
	maxCustomFields     = 200 // of a record
	maxCustomValues     = 100 // of a custom field
	maxCustomLength     = 4096
	maxNumberLength     = 100 // digits, sign, point and exponent
	minTimeYear         = 0
	maxTimeYear         = 9999
	dateLayout          = "2006-01-02"
	maxQuotedNameLength = 64
)

// checker checks the members of one body and gathers what is wrong with them.
type checker struct {
	limits Limits
	// patch keeps nulls inside objects: they unset when they are merged.
	patch  bool
	faults []carillon.Fault
	// dropped counts faults beyond the limit.
	dropped int
}

// path leads to a value inside a body: a member, and for what is inside of it a name or an index below.
type path struct {
	names [3]string
	n     int
}

func at(names ...string) path {
	p := path{n: len(names)}
	copy(p.names[:], names)
	return p
}

func (p path) below(name string) path {
	p.names[p.n] = name
	p.n++
	return p
}

// element leads to the n-th element of the array at p.
func (p path) element(n int) path { return p.below(strconv.Itoa(n)) }

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// pointer is the path as a JSON Pointer (RFC 6901).
func (p path) pointer() string {
	var b strings.Builder
	for _, name := range p.names[:p.n] {
		b.WriteByte('/')
		b.WriteString(pointerEscapes.Replace(name))
	}
	return b.String()
}

// fault notes what is wrong with the value at p.
func (c *checker) fault(p path, reason string) {
	if len(c.faults) == c.limits.Faults {
		c.dropped++
		return
	}
	c.faults = append(c.faults, carillon.Fault{Member: p.pointer(), Reason: reason})
}

// value gives the canonical form of a member's value: nil if it means "unset", or if it is wrong, which is then noted.
func (c *checker) value(f *carillon.Field, raw []byte, p path) []byte {
	switch f.Type {
	case carillon.TypeBool:
		if raw[0] != 't' && raw[0] != 'f' {
			return c.mistyped(p, "true or false", raw)
		}
		return raw
	case carillon.TypeInteger, carillon.TypeNumber:
		return c.number(f, raw, p)
	case carillon.TypeRefs, carillon.TypeStrings:
		return c.strings(f, raw, p)
	case carillon.TypeObject:
		return c.object(f, raw, p)
	case carillon.TypeMap:
		if raw[0] != '{' {
			return c.mistyped(p, "an object", raw)
		}
		return c.free(raw, p)
	case carillon.TypeJSON:
		return c.free(raw, p)
	default:
		return c.string(f, raw, p)
	}
}

func (c *checker) mistyped(p path, want string, raw []byte) []byte {
	c.fault(p, "must be "+want+", is "+typeName(raw))
	return nil
}

func typeName(raw []byte) string {
	switch raw[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

func (c *checker) string(f *carillon.Field, raw []byte, p path) []byte {
	if raw[0] != '"' {
		return c.mistyped(p, "a string", raw)
	}
	switch f.Type {
	case carillon.TypeTime:
		at, reason := canonicalTime(raw)
		if reason != "" {
			c.fault(p, reason)
			return nil
		}
		return at
	case carillon.TypeDate:
		if _, err := time.Parse(dateLayout, text(raw)); err != nil {
			c.fault(p, "must be a date, YYYY-MM-DD")
			return nil
		}
		return raw
	}
	reason := checkText(raw, f.Limit(), f.Type == carillon.TypeText)
	switch {
	case reason != "":
	case f.Type == carillon.TypeRef && f.OnDelete != carillon.OnDeleteIgnore:
		if !(len(raw) == 2 && f.Required) && !carillon.ValidID(text(raw)) {
			reason = idReason
		} else if f.NonEmpty && len(raw) == 2 {
			reason = "must not be empty"
		}
	case f.NonEmpty && len(raw) == 2:
		reason = "must not be empty"
	}
	if reason != "" {
		c.fault(p, reason)
		return nil
	}
	return raw
}

var idReason = fmt.Sprintf("must be an id: 1 to %d letters, digits and - _ . : @ + = ~", carillon.MaxIDLength)

// canonicalTime gives the time in TimeLayout, or why it is none. A bare date means midnight UTC.
func canonicalTime(raw []byte) (canonical []byte, reason string) {
	s := text(raw)
	at, err := carillon.ParseTime(s)
	if err != nil {
		if at, err = time.Parse(dateLayout, s); err != nil {
			return nil, "must be a time as RFC 3339 has it, like 2026-01-31T12:00:00Z, or a date"
		}
	}
	if year := at.Year(); year < minTimeYear || year > maxTimeYear {
		return nil, "must lie in the years 0000 to 9999 UTC"
	}
	canonical = at.AppendFormat(append(make([]byte, 0, len(carillon.TimeLayout)+2), '"'), carillon.TimeLayout)
	return append(canonical, '"'), ""
}

// checkText says what is wrong with a string of at most limit characters: "" if nothing. One line has no control characters.
func checkText(raw []byte, limit int, lines bool) (reason string) {
	content := raw[1 : len(raw)-1]
	plain := bytes.IndexByte(content, '\\') < 0
	if len(content) > limit {
		n := utf8.RuneCount(content)
		if !plain {
			n = utf8.RuneCountInString(text(raw))
		}
		if n > limit {
			return fmt.Sprintf("must have at most %d characters, has %d", limit, n)
		}
	}
	if lines || plain && printableASCII(content) {
		return ""
	}
	for _, r := range text(raw) {
		if unicode.IsControl(r) {
			return fmt.Sprintf("must be one line without control characters, has %U", r)
		}
	}
	return ""
}

// checkLine says what is wrong with a non-empty line of text: "" if nothing.
func checkLine(s string, limit int) string {
	switch {
	case s == "":
		return "must not be empty"
	case !utf8.ValidString(s):
		return "must be UTF-8"
	case len(s) <= limit && printableASCII(s):
		return ""
	default:
		return checkText(quoted(s), limit, false)
	}
}

func printableASCII[Text []byte | string](s Text) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// text is the content of a JSON string.
func text(raw []byte) string {
	if content := raw[1 : len(raw)-1]; bytes.IndexByte(content, '\\') < 0 {
		return string(content)
	}
	s, _ := jsontext.AppendUnquote(nil, raw) // valid: the body was checked
	return string(s)
}

// quoted is a JSON string that says s.
func quoted(s string) []byte {
	b, _ := jsontext.AppendQuote(make([]byte, 0, len(s)+2), s) // what is not UTF-8 becomes U+FFFD
	return b
}

func (c *checker) number(f *carillon.Field, raw []byte, p path) []byte {
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return c.mistyped(p, "a number", raw)
	}
	if len(raw) > maxNumberLength {
		c.fault(p, fmt.Sprintf("must have at most %d digits", maxNumberLength))
		return nil
	}
	if f.Type == carillon.TypeNumber {
		if _, err := strconv.ParseFloat(string(raw), 64); err != nil {
			c.fault(p, "must be within the range of a double")
			return nil
		}
		return raw
	}
	if bytes.ContainsAny(raw, ".eE") {
		c.fault(p, "must be a whole number without fraction or exponent")
		return nil
	}
	if _, err := strconv.ParseInt(string(raw), 10, 64); err != nil {
		c.fault(p, "must lie between -9223372036854775808 and 9223372036854775807")
		return nil
	}
	if len(raw) == 2 && raw[0] == '-' && raw[1] == '0' {
		return raw[1:]
	}
	return raw
}

// strings checks an array of strings; an empty one means unset.
func (c *checker) strings(f *carillon.Field, raw []byte, p path) []byte {
	if raw[0] != '[' {
		return c.mistyped(p, "an array of strings", raw)
	}
	if len(raw) == 2 {
		return nil
	}
	var seen map[string]bool
	ids := f.Type == carillon.TypeRefs
	if ids {
		seen = map[string]bool{}
	}
	good := true
	for n, element := range elements(raw) {
		reason := ""
		switch {
		case n == c.limits.Items:
			c.fault(p, fmt.Sprintf("must have at most %d elements", c.limits.Items))
			return nil
		case element[0] != '"':
			reason = "must be a string, is " + typeName(element)
		case !ids:
			reason = checkText(element, f.Limit(), false)
		default:
			id := text(element)
			switch {
			case f.OnDelete == carillon.OnDeleteIgnore:
				reason = checkText(element, f.Limit(), false)
			case !carillon.ValidID(id):
				reason = idReason
			}
			if reason == "" && seen[id] {
				reason = "names the same id again"
			}
			seen[id] = true
		}
		if reason != "" {
			good = false
			c.fault(p.element(n), reason)
		}
	}
	if !good {
		return nil
	}
	return raw
}

// object checks an object with the members of the field and puts them in the field's order. One that sets nothing
// means unset, but for a patch.
func (c *checker) object(f *carillon.Field, raw []byte, p path) []byte {
	if raw[0] != '{' {
		return c.mistyped(p, "an object", raw)
	}
	values := make(members, len(f.Members))
	good, canonical, last := true, true, -1
	for name, value := range objectMembers(raw) {
		n := slices.IndexFunc(f.Members, func(m carillon.Field) bool { return string(name[1:len(name)-1]) == m.Name })
		if n < 0 {
			good = false
			c.fault(p.below(abridge(text(name))), unknown(text(name), f.Name, f.Members))
			continue
		}
		canonical, last = canonical && n > last, n
		if value[0] == 'n' {
			if c.patch {
				values[n] = null
			} else {
				canonical = false
			}
			continue
		}
		if values[n] = c.value(&f.Members[n], value, p.below(f.Members[n].Name)); values[n] == nil {
			good = false
		}
		canonical = canonical && len(values[n]) == len(value) && bytes.Equal(values[n], value)
	}
	switch {
	case !good:
		return nil
	case canonical && len(raw) > 2:
		return raw
	}
	object := spliceObject(f, values)
	if len(object) == 2 && !c.patch {
		return nil
	}
	return object
}

// spliceObject writes the members of a TypeObject in the field's order.
func spliceObject(f *carillon.Field, values members) []byte {
	size := 2
	for i, value := range values {
		if value != nil {
			size += len(f.Members[i].Name) + len(value) + len(`"":,`)
		}
	}
	object := append(make([]byte, 0, size), '{')
	for i, value := range values {
		if value == nil {
			continue
		}
		if len(object) > 1 {
			object = append(object, ',')
		}
		object = append(append(append(object, '"'), f.Members[i].Name...), `":`...)
		object = append(object, value...)
	}
	return append(object, '}')
}

var sortedNames = jsontext.ReorderRawObjects(true)

// free gives free JSON its canonical form: names sorted (RFC 8785), numbers untouched.
func (c *checker) free(raw []byte, p path) []byte {
	if crowded(raw, c.limits.Items) {
		c.fault(p, fmt.Sprintf("must have at most %d members or elements in one place", c.limits.Items))
		return nil
	}
	if inOrder(raw) {
		return raw
	}
	sorted := jsontext.Value(bytes.Clone(raw))
	if err := sorted.Format(sortedNames); err != nil {
		c.fault(p, "cannot be put in order: "+err.Error())
		return nil
	}
	return sorted
}

// inOrder reports whether all names inside a value are sorted already, as far as that is plain to see: names that are
// not ASCII sort by UTF-16 (RFC 8785), which is left to the formatter.
func inOrder(raw []byte) bool {
	switch raw[0] {
	case '{':
		var last []byte
		for name, value := range objectMembers(raw) {
			name = name[1 : len(name)-1]
			if last != nil && bytes.Compare(last, name) >= 0 || !printableASCII(name) || bytes.IndexByte(name, '\\') >= 0 || !inOrder(value) {
				return false
			}
			last = name
		}
	case '[':
		for _, value := range elements(raw) {
			if !inOrder(value) {
				return false
			}
		}
	}
	return true
}

// abridge keeps names that strangers made up from filling the answer.
func abridge(name string) string {
	for i := range name {
		if i >= maxQuotedNameLength {
			return name[:i] + "…"
		}
	}
	return name
}

// unknown says that name is none of the fields, and which it may have meant.
func unknown(name, of string, fields []carillon.Field) string {
	if len(name) > maxQuotedNameLength {
		return "is not a member of " + of
	}
	best, distance := "", 3
	for _, f := range fields {
		if strings.EqualFold(name, f.Name) {
			return fmt.Sprintf("is not a member of %s; did you mean %q?", of, f.Name)
		}
		if d := spelling.Distance([]byte(name), []byte(f.Name)); d < distance && d < len(f.Name) {
			best, distance = f.Name, d
		}
	}
	if best == "" {
		return "is not a member of " + of
	}
	return fmt.Sprintf("is not a member of %s; did you mean %q?", of, best)
}
