package bench

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTheLoadUnderstandsAnswers(t *testing.T) {
	long := strings.Repeat("x", 50_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/chunked":
			_, _ = w.Write([]byte(long))
		default:
			http.Error(w, "no", http.StatusConflict)
		}
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	c, err := dial(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	for _, want := range []struct {
		path   string
		status int
		body   string
	}{{"/empty", 204, ""}, {"/chunked", 200, long}, {"/other", 409, "no\n"}, {"/chunked", 200, long}} {
		status, body, err := c.call(prefix("POST", want.path, host), []byte("{}"))
		if err != nil || status != want.status || (status != 204 && string(body) != want.body) {
			t.Errorf("%s: %d, %d bytes, %v", want.path, status, len(body), err)
		}
	}
}

func TestBrokenHeadsAreRefused(t *testing.T) {
	for _, text := range []string{
		"", "HTTP/1.1 200 OK\r\n", "POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", "POST / HTTP/1.1\r\n" + strings.Repeat("a: b\r\n", 200) + "\r\n",
	} {
		if _, err := readHead(bufio.NewReader(strings.NewReader(text)), nil, true); err == nil {
			t.Errorf("%.40q was read", text)
		}
	}
}

// post sends a webhook to the sink.
func send(t *testing.T, s *sink, endpoint int, lane string, seq int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url(endpoint), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Carillon-Seq", fmt.Sprint(seq))
	req.Header.Set("Carillon-Lane", lane)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("answered %d", resp.StatusCode)
	}
}

func TestTheSinkSeesWhatIsMissingRepeatedOrOutOfOrder(t *testing.T) {
	s, err := newSink(context.Background(), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for i, lane := range []string{"a", "b", "a", "b"} {
		send(t, s, 0, lane, i+1, `{"x":1}`)
		send(t, s, 1, lane, i+1, strings.Repeat("y", 100_000)) // longer than the buffer
	}
	if why := s.amiss(8); why != "" {
		t.Errorf("all was well, yet %s", why)
	}
	if why := s.amiss(9); !strings.Contains(why, "1 of 9 events never arrived") {
		t.Errorf("one was missing, yet %q", why)
	}
	send(t, s, 0, "a", 3, "again")
	send(t, s, 1, "b", 2, "late")
	if why := s.amiss(8); !strings.Contains(why, "2 events arrived repeated or out of order") {
		t.Errorf("two were misplaced, yet %q", why)
	}
	if like := s.sample.Load(); like == nil || string(like.body) != `{"x":1}` {
		t.Errorf("kept the sample %+v", like)
	}
}

func TestAFigureIsJudgedByItsBudget(t *testing.T) {
	cases := map[string]struct {
		m    Measure
		want bool
	}{
		"at the budget":             {Measure{Value: 5000}.atLeast(5000), true},
		"below it":                  {Measure{Value: 4999}.atLeast(5000), false},
		"a cost under its bound":    {Measure{Value: 0.2}.atMost(0.3), true},
		"a cost over it":            {Measure{Value: 0.4}.atMost(0.3), false},
		"one of two budgets":        {Measure{Value: 8000}.against(32000, "x").atLeast(7000).ratioAtLeast(0.35), false},
		"both":                      {Measure{Value: 8000}.against(16000, "x").atLeast(7000).ratioAtLeast(0.35), true},
		"fast but with lost events": {Measure{Value: 9000}.atLeast(5000).spoilt("3 events never arrived"), false},
		"nothing spoilt":            {Measure{Value: 9000}.atLeast(5000).spoilt(""), true},
	}
	for name, c := range cases {
		if c.m.Within == nil || *c.m.Within != c.want {
			t.Errorf("%s: %+v", name, c.m)
		}
	}
	if m := (Measure{Value: 1}); m.Within != nil {
		t.Error("a figure without a budget is judged")
	}
}

func TestFiguresAreWrittenForPeople(t *testing.T) {
	for value, want := range map[float64]string{0.2756: "0.276", 12.34: "12.3", 5000: "5,000", 1234567.8: "1,234,568", 7: "7", 0.5: "0.5"} {
		if got := Number(value); got != want {
			t.Errorf("%v is written %s, want %s", value, got, want)
		}
	}
}
