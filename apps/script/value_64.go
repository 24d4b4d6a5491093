//go:build !(386 || arm)

package script

import lib "modernc.org/libquickjs"

// value is a JavaScript value: its kind and a number or address.
type value = lib.TJSValue

var (
	undefined = value{Ftag: lib.EJS_TAG_UNDEFINED}
	exception = value{Ftag: lib.EJS_TAG_EXCEPTION}
)

// kindOf gives a value's kind, one of lib.EJS_TAG_….
func kindOf(v value) int { return int(int32(v.Ftag)) }

// address gives where a value that is no number lies.
func address(v value) uintptr { return uintptr(v.Fu.Fuint641) }
