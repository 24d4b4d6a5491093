package workshop

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

var errNotObject = errors.New("must be a JSON object")

// arguments gives a payload with the parameters as its member iparams, in the place of the one that it may have. Nothing else of it
// changes. It fails if the payload is no JSON object.
func arguments(payload, iparams []byte) (jsontext.Value, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(payload))
	if d.PeekKind() != '{' {
		return nil, errNotObject
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	from, to, members := int64(-1), int64(-1), 0
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		ours := name.String() == "iparams"
		at := d.InputOffset()
		if err := d.SkipValue(); err != nil {
			return nil, err
		}
		if ours {
			from, to = at, d.InputOffset()
		}
		members++
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	end := d.InputOffset() - 1 // the closing brace
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.Join(errors.New("something follows the object"), err)
	}
	var middle []byte
	if from < 0 {
		from, to = end, end
		if members > 0 {
			middle = append(middle, ',')
		}
		middle = append(middle, `"iparams"`...)
	}
	args := make([]byte, 0, len(payload)+len(iparams)+len(middle)+2)
	args = append(args, payload[:from]...)
	args = append(args, middle...)
	args = append(args, ':')
	args = append(args, iparams...)
	return append(args, payload[to:]...), nil
}

// object is a JSON object in the order of its members.
type object []member

type member struct {
	name  string
	value jsontext.Value
}

// readObject reads a JSON object.
func readObject(text []byte) (object, error) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if d.PeekKind() != '{' {
		return nil, errNotObject
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	var o object
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		text := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		o = append(o, member{text, value.Clone()})
	}
	_, err := d.ReadToken()
	return o, err
}

// set gives the object a member, in the place of the one of that name.
func (o *object) set(name string, value jsontext.Value) {
	for i := range *o {
		if (*o)[i].name == name {
			(*o)[i].value = value
			return
		}
	}
	*o = append(*o, member{name, value})
}

// json writes the object.
func (o *object) json() jsontext.Value {
	b := []byte{'{'}
	for i, m := range *o {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, m.name)
		b = append(b, ':')
		b = append(b, m.value...)
	}
	return append(b, '}')
}

// appendText appends a text as JSON; halves of characters are replaced.
func appendText(b []byte, text string) []byte {
	b, _ = jsontext.AppendQuote(b, text) // it fails for bad UTF-8 only, which it then has replaced
	return b
}

// nullEmpty replaces empty texts with null, wherever they are: so does the vendor's store.
func nullEmpty(v jsontext.Value) jsontext.Value {
	if !bytes.Contains(v, []byte(`""`)) {
		return v
	}
	d := jsontext.NewDecoder(bytes.NewReader(v))
	var b bytes.Buffer
	e := jsontext.NewEncoder(&b)
	for {
		token, err := d.ReadToken()
		if err != nil {
			return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
		}
		kind, n := d.StackIndex(d.StackDepth())
		isName := kind == '{' && n%2 == 1
		if token.Kind() == '"' && token.String() == "" && !isName {
			token = jsontext.Null
		}
		if e.WriteToken(token) != nil {
			return v
		}
	}
}
