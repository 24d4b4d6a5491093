package webhook_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/webhook"
	"carillon/sign"
)

// leanEndpoint answers 204 to every POST, reading no more of HTTP than it must, so that what a benchmark measures is the sender.
// It gives the URL to post to.
func leanEndpoint(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answerAll(conn)
		}
	}()
	return "http://" + listener.Addr().String() + "/hook"
}

// answerAll expects each request to come with a Content-Length.
func answerAll(conn net.Conn) {
	defer conn.Close()
	answer := []byte("HTTP/1.1 204 No Content\r\n\r\n")
	buffer := make([]byte, 0, 64<<10)
	for {
		head := bytes.Index(buffer, []byte("\r\n\r\n"))
		if head >= 0 {
			total := head + 4 + contentLength(buffer[:head])
			if len(buffer) >= total {
				if _, err := conn.Write(answer); err != nil {
					return
				}
				buffer = append(buffer[:0], buffer[total:]...)
				continue
			}
		}
		n, err := conn.Read(buffer[len(buffer):cap(buffer)])
		if err != nil {
			return
		}
		buffer = buffer[:len(buffer)+n]
	}
}

func contentLength(head []byte) int {
	_, rest, _ := bytes.Cut(head, []byte("\r\nContent-Length: "))
	n := 0
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// measure posts from 16 goroutines a processor and reports the processor time of one message, endpoint included.
func measure(b *testing.B, post func() error) {
	b.Helper()
	b.ReportAllocs()
	b.SetParallelism(16)
	before := cpu(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := post(); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

func benchmarkMessage() *carillon.Message {
	return &carillon.Message{
		ID: "evt_g8nk7bc700000007bf6ha000", Type: "account:updated", Seq: 123456, Lane: "acc_01hzy3m8kq",
		ContentType: "application/json", Body: []byte(strings.Repeat("x", 1024)),
	}
}

func BenchmarkSend(b *testing.B) {
	sender := webhook.New(webhook.Config{AllowPrivate: true})
	b.Cleanup(func() { sender.Close() })
	sink, err := sender.Open(&carillon.Subscription{
		ID: "sub_1", Secrets: []string{sign.NewSecret()}, Sink: carillon.Sink{URL: leanEndpoint(b)},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, m := context.Background(), benchmarkMessage()
	measure(b, func() error {
		if result := sink.Send(ctx, m); result.Verdict != deliver.Taken {
			return result.Err
		}
		return nil
	})
}

// BenchmarkBareClient is the limit to compare with: net/http posting the same bodies with a time-out, unsigned and unguarded.
func BenchmarkBareClient(b *testing.B) {
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	b.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: 15 * time.Second}
	url, m := leanEndpoint(b), benchmarkMessage()
	measure(b, func() error {
		resp, err := client.Post(url, m.ContentType, bytes.NewReader(m.Body))
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return err
	})
}
