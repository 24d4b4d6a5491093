package carillon

import (
	"errors"
	"strings"
)

// Code classifies an Error for programs. api maps each to one HTTP status.
type Code string

// The codes. An error without one is CodeInternal.
const (
	CodeInvalid      Code = "invalid"       // the request says something that cannot be; Faults name where
	CodeMalformed    Code = "malformed"     // the body is not JSON (or not UTF-8, or names a member twice)
	CodeTooLarge     Code = "too_large"     // a body, depth or list beyond its bound
	CodeUnauthorized Code = "unauthorized"  // no key, or one nobody knows
	CodeForbidden    Code = "forbidden"     // a known key without the right
	CodeNotFound     Code = "not_found"     // no such thing in this org
	CodeConflict     Code = "conflict"      // it exists already, or others depend on it
	CodeStale        Code = "stale_version" // If-Match names another version
	CodeUnsupported  Code = "unsupported"   // a media type or method that is not spoken here
	CodeLimited      Code = "limited"       // too many at once; try again later
	CodeUnavailable  Code = "unavailable"   // shutting down, or the store is out of reach
	CodeInternal     Code = "internal"      // ours; the cause is in the log
)

// Fault is one thing wrong with a request: where (a JSON Pointer, RFC 6901, into the body; or the
// name of a header or query parameter) and why, as a sentence without a full stop.
type Fault struct {
	Member string `json:"member"`
	Reason string `json:"reason"`
}

// Error is an error for two readers: Code for programs; Message and Hint for people.
type Error struct {
	Code    Code
	Message string  // the deed and the object: "contact con_1 refers to an account that does not exist"
	Faults  []Fault // what is wrong and where; may be empty
	Hint    string  // what an operator or caller can do about it; may be empty
	Err     error   // the cause, never shown to strangers
}

// Error gives the message, the faults and the cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for i, f := range e.Faults {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; ")
		}
		b.WriteString(f.Member)
		b.WriteString(": ")
		b.WriteString(f.Reason)
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Invalid says that one member cannot be what it is.
func Invalid(member, reason string) *Error {
	return &Error{Code: CodeInvalid, Message: "the request is not valid", Faults: []Fault{{member, reason}}}
}

// NotFound says that what (a noun) with the id is not there: NotFound("account", "acc_1").
func NotFound(what, id string) *Error {
	return &Error{Code: CodeNotFound, Message: what + " " + id + " does not exist"}
}

// Conflict says that the request cannot be met as things stand.
func Conflict(message string) *Error { return &Error{Code: CodeConflict, Message: message} }

// ErrorCode gives the code of the first *Error in err's chain: "" for nil, CodeInternal for an error
// without one.
func ErrorCode(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// IsNotFound reports whether err says that something does not exist.
func IsNotFound(err error) bool { return ErrorCode(err) == CodeNotFound }
