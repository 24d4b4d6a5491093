package egresstest

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Resolver answers questions for names from a list, one entry a lookup; the last entry stays. Each entry is all the
// addresses of one answer. Other names do not exist.
func Resolver(t testing.TB, names map[string][][]string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	t.Cleanup(func() {
		conn.Close()
		done.Wait()
	})
	asked := map[string]int{}
	done.Go(func() {
		buffer := make([]byte, 4<<10)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if answer := answerDNS(buffer[:n], names, asked); answer != nil {
				if _, err := conn.WriteTo(answer, from); err != nil {
					return
				}
			}
		}
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// answerDNS counts lookups by questions for A; a lookup asks for A and AAAA at once.
func answerDNS(query []byte, names map[string][][]string, asked map[string]int) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	key := q.Name.String() + q.Type.String()
	answers, known := names[q.Name.String()]
	m.Header = dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}
	m.Additionals = nil
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	} else {
		turn := min(asked[key], len(answers)-1)
		asked[key]++
		for _, text := range answers[turn] {
			ip := net.ParseIP(text)
			header := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}
			// A text with colons is told as AAAA even if it holds an IPv4 address.
			isV6 := strings.Contains(text, ":")
			switch {
			case q.Type == dnsmessage.TypeA && !isV6:
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: [4]byte(ip.To4())}})
			case q.Type == dnsmessage.TypeAAAA && isV6:
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: [16]byte(ip.To16())}})
			}
		}
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}
