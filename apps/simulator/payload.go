package simulator

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
)

// spot is a place in a text, from 1; columns count characters. The zero spot is none.
type spot struct{ Line, Column int }

// spotAt is where the byte at offset stands.
func spotAt(text []byte, offset int64) spot {
	before := text[:min(int(offset), len(text))]
	return spot{
		Line:   bytes.Count(before, []byte("\n")) + 1,
		Column: utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1,
	}
}

// checkPayload gives what is wrong with a text that should be a payload, and where; nil if it is one JSON object.
func checkPayload(text []byte) (*carillon.Fault, spot) {
	if len(bytes.TrimSpace(text)) == 0 {
		return &carillon.Fault{Reason: "is empty; a payload is a JSON object"}, spot{1, 1}
	}
	decoder := jsontext.NewDecoder(bytes.NewReader(text))
	if kind := decoder.PeekKind(); kind != '{' && kind != 0 {
		return &carillon.Fault{Reason: "is not an object; a payload is a JSON object"}, spot{1, 1}
	}
	err := decoder.SkipValue()
	if err == nil {
		_, err = decoder.ReadToken()
		if errors.Is(err, io.EOF) {
			return nil, spot{}
		}
		if err == nil {
			return &carillon.Fault{Reason: "goes on after its end"}, spotAt(text, decoder.InputOffset())
		}
	}
	fault, at := carillon.Fault{Reason: "is not JSON"}, decoder.InputOffset()
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		fault.Member, at = string(e.JSONPointer), e.ByteOffset
		fault.Reason = "is not JSON: " + strings.TrimPrefix(e.Err.Error(), "jsontext: ")
	}
	return &fault, spotAt(text, at)
}

// find gives where the member that a JSON Pointer names stands in a text: the first token of it, its name if it has one. If
// there is none, it is the nearest that should hold it. What is no JSON has no places.
func find(text []byte, pointer string) spot {
	for {
		if at, ok := findExactly(text, pointer); ok {
			return at
		}
		cut := strings.LastIndexByte(pointer, '/')
		if cut < 0 {
			return spot{}
		}
		pointer = pointer[:cut]
	}
}

func findExactly(text []byte, pointer string) (spot, bool) {
	decoder := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		before := decoder.InputOffset()
		if _, err := decoder.ReadToken(); err != nil {
			return spot{}, false
		}
		if string(decoder.StackPointer()) == pointer {
			skipped := len(text[before:]) - len(bytes.TrimLeft(text[before:], " \t\r\n,:"))
			return spotAt(text, before+int64(skipped)), true
		}
	}
}

// indented writes JSON so that people can read it; numbers stay as they are written.
func indented(text []byte) string {
	value := jsontext.Value(text).Clone()
	if value.Indent(jsontext.WithIndent("  ")) != nil {
		return string(text)
	}
	return string(value)
}
