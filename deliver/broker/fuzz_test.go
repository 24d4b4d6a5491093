package broker_test

import (
	"strings"
	"testing"

	"carillon"
	"carillon/deliver/broker"
	"carillon/egress"
)

func FuzzParseServer(f *testing.F) {
	for _, text := range []string{
		"nats://host", "amqps://user:pa%40ss@host:1/vhost", "tls://token@[::1]:4222", "nats://a:b@c@d", "://", "nats://@", "nats://user:p\\@host", "amqp://u:p@h?x@y",
	} {
		f.Add(text)
	}
	gate := egress.New(egress.Config{AllowPrivate: true})
	f.Fuzz(func(t *testing.T, text string) {
		server, err := broker.ParseServer(gate, text, "nats", "tls", "amqp", "amqps")
		if err != nil {
			if carillon.ErrorCode(err) != carillon.CodeInvalid {
				t.Errorf("got %v, want it to be invalid", err)
			}
			return
		}
		if server.URL.User != nil || server.URL.RawQuery != "" || server.URL.Hostname() == "" {
			t.Errorf("%q is read as %+v", text, server.URL)
		}
		if strings.Contains(text, "@") && server.User == nil && !strings.Contains(server.URL.Path, "@") {
			t.Errorf("the user of %q is overlooked", text)
		}
	})
}

func FuzzAddress(f *testing.F) {
	f.Add("crm.{org}.{type}.{lane}", "account:updated", "acc_1")
	f.Add("{lane}", "", "a.b>c* \x00#")
	f.Add("{lane", "}", "{type}")
	f.Fuzz(func(t *testing.T, text, eventType, lane string) {
		address, err := broker.ParseAddress(text, "/sink/subject", "acme")
		if err != nil {
			return
		}
		got := address.For(&carillon.Message{Type: eventType, Lane: lane})
		bare := strings.NewReplacer("{type}", "", "{lane}", "", "{org}", "").Replace(text)
		for _, special := range []string{".", "*", ">", "#", " ", "\x00", "\n"} {
			if strings.Count(got, special) != strings.Count(bare, special) {
				t.Errorf("%q became %q: a value brought %q", text, got, special)
			}
		}
	})
}
