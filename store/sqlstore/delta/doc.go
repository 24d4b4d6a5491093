// Package delta tells one document as an edit of another, so that the change log need not keep what before and after share.
//
// Two documents enter (canonical JSON as a rule, but any bytes do), a script leaves that makes the first from the second.
// A script is checked when it is applied: what is cut, changed or meant for another document is an error, never other bytes.
//
//	script = length of the result, its CRC-32C (4 bytes, big-endian), then steps until the length is reached
//	step   = copy (length<<1, then how far to skip in the source, zig-zag) | literal (length<<1|1, then the bytes)
//
// Numbers are unsigned varints (encoding/binary). A skip counts from where the last copy ended.
package delta
