//go:build 386 || arm

package script

import lib "modernc.org/libquickjs"

// value is a JavaScript value: its kind and a number or address.
type value = lib.TJSValue

var (
	undefined = value(lib.EJS_TAG_UNDEFINED << 32)
	exception = value(lib.EJS_TAG_EXCEPTION << 32)
)

// kindOf gives a value's kind, one of lib.EJS_TAG_…. Kinds beyond the last are parts of a number.
func kindOf(v value) int {
	kind := int32(v >> 32)
	if kind < lib.EJS_TAG_FIRST || kind > lib.EJS_TAG_FLOAT64 {
		return lib.EJS_TAG_FLOAT64
	}
	return int(kind)
}

// address gives where a value that is no number lies.
func address(v value) uintptr { return uintptr(uint32(v)) }
