package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"carillon"
)

// Problem is a refusal by the server (RFC 9457): Code for programs, the rest for people.
type Problem struct {
	Status int              `json:"status"`
	Title  string           `json:"title"`
	Detail string           `json:"detail"`
	Code   carillon.Code    `json:"code"`
	Faults []carillon.Fault `json:"errors"` // what is wrong with the request, and where
	Hint   string           `json:"hint"`
	// RequestID is what the server's log calls the request.
	RequestID string `json:"requestId"`
}

// Error is the problem in one line.
func (p *Problem) Error() string {
	var b strings.Builder
	switch {
	case p.Detail != "":
		b.WriteString(p.Detail)
	case p.Title != "":
		b.WriteString(p.Title)
	default:
		b.WriteString(http.StatusText(p.Status))
	}
	for i, f := range p.Faults {
		b.WriteString([]string{": ", "; "}[min(i, 1)])
		b.WriteString(f.Member + ": " + f.Reason)
	}
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	fmt.Fprintf(&b, " [%d]", p.Status)
	return b.String()
}

// AsProblem gives the *Problem in err's chain, or nil.
func AsProblem(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return nil
}

// readProblem makes a Problem of an answer that is not 2xx, whatever speaks at the other end.
func readProblem(resp *http.Response) *Problem {
	p := &Problem{}
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && strings.Contains(resp.Header.Get("Content-Type"), "json") {
		err = json.Unmarshal(data, p)
	}
	if err != nil {
		p = &Problem{Detail: "the server gave an answer that cannot be read"}
	}
	p.Status = resp.StatusCode
	return p
}
