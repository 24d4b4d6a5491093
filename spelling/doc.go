// Package spelling says how far words are apart, for rooms that tell people which name they may have meant.
package spelling
