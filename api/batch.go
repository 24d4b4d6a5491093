package api

import (
	"bufio"
	"bytes"
	"context"
	rawjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"carillon"
	"carillon/ledger"
)

// Bounds of a batch. Its length is not bounded: it is applied while it arrives.
const (
	batchGroup = 256     // lines that go to the ledger at once
	batchAhead = 4 << 20 // bytes of lines read before those ahead of them are applied
)

// BatchResult is what became of one line of a batch.
type BatchResult struct {
	Line    int64    `json:"line" doc:"counts lines from 1, empty ones too"`
	Status  int      `json:"status" doc:"201 created, 200 updated or unchanged, 204 deleted, or the problem's"`
	ID      string   `json:"id,omitzero"`
	Version int64    `json:"version,omitzero"`
	Seq     int64    `json:"seq,omitzero" doc:"of the change; absent if nothing differed"`
	Problem *Problem `json:"problem,omitzero"`
}

// BatchLine is one wish of a batch.
type BatchLine struct {
	Op      ledger.Op          `json:"op" enum:"put,patch,delete,create"`
	Kind    carillon.Kind      `json:"kind"`
	Module  string             `json:"module,omitempty" doc:"of a custom record"`
	ID      string             `json:"id,omitempty"`
	Data    rawjson.RawMessage `json:"data,omitempty"`
	IfMatch int64              `json:"ifMatch,omitempty" doc:"the version believed to be current"`
	Cascade bool               `json:"cascade,omitempty"`
	Key     string             `json:"key,omitempty" doc:"makes the line safe to repeat, as Idempotency-Key"`
}

// line is one line as it was read.
type line struct {
	number int64
	entry  ledger.Entry
	err    error // why it cannot be applied
	size   int64
}

// batch applies NDJSON lines in order while they arrive, and answers a line for each. The lines are read by one
// goroutine and applied by this one; what is read ahead is bounded, so a slow store slows the sender.
func (s *server) batch(w http.ResponseWriter, r *request) error {
	if err := checkContentType(r.Request, typeNDJSON, typeJSONL); err != nil {
		return err
	}
	actor, err := r.actor()
	if err != nil {
		return err
	}
	if r.Header.Get("Idempotency-Key") != "" {
		return carillon.Invalid("Idempotency-Key", "is not taken by a batch; give each line its own key")
	}
	connection := http.NewResponseController(w)
	// HTTP/1 servers otherwise read the whole body before the first byte of the answer.
	if err := connection.EnableFullDuplex(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("answer while reading: %w", err)
	}
	w.Header().Set("Content-Type", typeNDJSON)
	b := &batcher{
		server: s, w: w, connection: connection, org: r.org(), actor: actor,
		lines: make(chan line, batchGroup), ahead: semaphore.NewWeighted(max(batchAhead, s.limits.Body)),
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	var group errgroup.Group
	read := make(chan struct{})
	group.Go(func() error {
		defer close(read)
		defer close(b.lines)
		return b.read(ctx, r.Body)
	})
	group.Go(func() error {
		defer cancel()
		return b.apply(ctx)
	})
	group.Go(func() error { return b.interrupt(ctx, cancel, read) })
	err = group.Wait()
	_ = connection.SetReadDeadline(time.Time{})
	_ = connection.SetWriteDeadline(time.Time{})
	if err != nil {
		s.log.InfoContext(r.Context(), "batch ended early", "org", r.org(), "error", err)
		panic(http.ErrAbortHandler) // the answer has begun: only a broken connection says that it is not whole
	}
	return nil
}

type batcher struct {
	*server
	w          http.ResponseWriter
	connection *http.ResponseController
	org        string
	actor      carillon.Actor
	lines      chan line
	ahead      *semaphore.Weighted
}

// interrupt waits for the end of the batch or of the server, and then wakes the reader, who may be waiting for a line.
func (b *batcher) interrupt(ctx context.Context, cancel context.CancelFunc, read <-chan struct{}) (err error) {
	select {
	case <-read:
	case <-b.stopping:
		err = errors.New("the server stops")
		cancel()
	case <-ctx.Done():
	}
	select {
	case <-read:
		return err // nobody waits; a deadline in the past would end the connection for the requests that follow
	default:
	}
	_ = b.connection.SetReadDeadline(time.Now())
	return err
}

// read turns the body into lines.
func (b *batcher) read(ctx context.Context, body io.Reader) error {
	reader := bufio.NewReaderSize(idleReader{ctx, body, b.connection, b.limits.Idle}, 64<<10)
	for number := int64(1); ; number++ {
		text, err := readLine(reader, b.limits.Body)
		if errors.Is(err, io.EOF) && len(text) == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) && carillon.ErrorCode(err) != carillon.CodeTooLarge {
			return fmt.Errorf("read line %d: %w", number, err)
		}
		l := line{number: number, size: int64(len(text))}
		if carillon.ErrorCode(err) == carillon.CodeTooLarge {
			l.err = err
		} else if len(bytes.TrimSpace(text)) == 0 {
			continue
		} else {
			l.entry, l.err = b.parse(text)
		}
		if err := b.ahead.Acquire(ctx, l.size); err != nil {
			return err
		}
		select {
		case b.lines <- l:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readLine reads up to the next line feed. A line longer than limit is skipped and fails with too_large.
func readLine(r *bufio.Reader, limit int64) ([]byte, error) {
	var whole []byte
	for {
		part, err := r.ReadSlice('\n')
		if int64(len(whole)+len(part)) > limit {
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = r.ReadSlice('\n')
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, err
			}
			return nil, &carillon.Error{Code: carillon.CodeTooLarge, Message: "the line is longer than " + strconv.FormatInt(limit, 10) + " bytes"}
		}
		whole = append(whole, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return whole, err
		}
	}
}

// parse reads one line into a write. The data stays as it was sent; the ledger reads it.
func (b *batcher) parse(text []byte) (ledger.Entry, error) {
	var in BatchLine
	if err := json.Unmarshal(text, &in, json.RejectUnknownMembers(true)); err != nil {
		return ledger.Entry{}, errLine(err)
	}
	kind, ok := kindNamed(string(in.Kind))
	var faults []carillon.Fault
	if !ok {
		faults = append(faults, carillon.Fault{Member: "/kind", Reason: "is not a kind"})
	}
	if in.ID == "" && in.Op != ledger.Create {
		faults = append(faults, carillon.Fault{Member: "/id", Reason: "is missing"})
	}
	switch in.Op {
	case ledger.Put, ledger.Patch, ledger.Create:
		if in.Data == nil {
			faults = append(faults, carillon.Fault{Member: "/data", Reason: "is missing"})
		}
	case ledger.Delete:
	default:
		faults = append(faults, carillon.Fault{Member: "/op", Reason: "is none of put, patch, delete, create"})
	}
	if in.IfMatch < 0 {
		faults = append(faults, carillon.Fault{Member: "/ifMatch", Reason: "is not a version"})
	}
	if faults != nil {
		return ledger.Entry{}, invalid("the line is not valid", faults...)
	}
	return ledger.Entry{
		Org: b.org, Actor: b.actor, Origin: originBatch, Key: in.Key, Scope: scope,
		Writes: []ledger.Write{{
			Op: in.Op, Ref: carillon.Ref{Kind: kind, Module: in.Module, ID: in.ID}, Data: in.Data,
			IfMatch: in.IfMatch, Cascade: in.Cascade,
		}},
	}, nil
}

// errLine says why a line cannot be read: it is not JSON, or a member is not what it should be.
func errLine(err error) error {
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		reason := "is not of the right type"
		if errors.Is(err, json.ErrUnknownName) {
			reason = "is not a member"
		}
		return invalid("the line is not valid", carillon.Fault{Member: string(e.JSONPointer), Reason: reason})
	}
	return errSyntax(err)
}

// apply sends what has been read to the ledger, up to batchGroup lines at a time, and answers.
func (b *batcher) apply(ctx context.Context) error {
	group := make([]line, 0, batchGroup)
	entries := make([]ledger.Entry, 0, batchGroup)
	var out []byte
	for {
		group = group[:0]
		select {
		case first, ok := <-b.lines:
			if !ok {
				return nil
			}
			group = append(group, first)
		case <-ctx.Done():
			return ctx.Err()
		}
		group = b.gather(group)
		entries = entries[:0]
		size := int64(0)
		for _, l := range group {
			size += l.size
			if l.err == nil {
				entries = append(entries, l.entry)
			}
		}
		// Once begun, a group is finished: its results are owed to a sender who may not repeat it.
		replies := b.ledger.ApplyAll(context.WithoutCancel(ctx), entries)
		b.ahead.Release(size)
		out = out[:0]
		for _, l := range group {
			result := BatchResult{Line: l.number}
			if l.err != nil {
				b.fail(ctx, &result, l.err)
			} else {
				b.settle(ctx, &result, replies[0])
				replies = replies[1:]
			}
			text, err := json.Marshal(result)
			if err != nil {
				return fmt.Errorf("encode result of line %d: %w", l.number, err)
			}
			out = append(append(out, text...), '\n')
		}
		if err := b.send(out); err != nil {
			return err
		}
	}
}

// gather adds the lines that are waiting.
func (b *batcher) gather(group []line) []line {
	for len(group) < batchGroup {
		select {
		case l, ok := <-b.lines:
			if !ok {
				return group
			}
			group = append(group, l)
		default:
			return group
		}
	}
	return group
}

func (b *batcher) settle(ctx context.Context, result *BatchResult, reply ledger.Reply) {
	if reply.Err != nil || len(reply.Result.Outcomes) != 1 {
		err := reply.Err
		if err == nil {
			err = fmt.Errorf("apply one write: %d outcomes", len(reply.Result.Outcomes))
		}
		b.fail(ctx, result, err)
		return
	}
	o := reply.Result.Outcomes[0]
	result.Status, result.Seq = http.StatusOK, o.Seq
	if o.Record != nil {
		result.ID, result.Version = o.Record.ID, o.Record.Version
	}
	switch {
	case o.Deleted:
		result.Status, result.Version = http.StatusNoContent, 0
	case o.Created:
		result.Status = http.StatusCreated
	}
}

func (b *batcher) fail(ctx context.Context, result *BatchResult, err error) {
	problem, ours := problemOf(err, "")
	if ours {
		b.log.ErrorContext(ctx, "batch line failed", "org", b.org, "line", result.Line, "error", err)
	}
	result.Status, result.Problem = problem.Status, &problem
}

// send writes results. A sender that does not read them within Limits.Idle loses the connection: it must read while it
// sends.
func (b *batcher) send(out []byte) error {
	if err := b.connection.SetWriteDeadline(time.Now().Add(b.limits.Idle)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("set write deadline: %w", err)
	}
	if _, err := b.w.Write(out); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	if err := b.connection.Flush(); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// idleReader gives up on a body of which nothing arrives for a while.
type idleReader struct {
	ctx context.Context
	io.Reader
	connection *http.ResponseController
	idle       time.Duration
}

func (r idleReader) Read(p []byte) (int, error) {
	if err := r.connection.SetReadDeadline(time.Now().Add(r.idle)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, fmt.Errorf("set read deadline: %w", err)
	}
	if err := r.ctx.Err(); err != nil { // asked after the deadline was set, which interrupt may have done before
		return 0, err
	}
	return r.Reader.Read(p)
}
