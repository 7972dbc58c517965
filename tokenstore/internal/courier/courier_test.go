package courier

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/notify"
)

var update = flag.Bool("update", false, "write the golden files anew")

var moment = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// theSecret and thePath must be in nothing that is told or logged.
const theSecret, thePath = "SEC-very-secret-word", "/hook/very-secret-path"

// Of theSecret at the moment.
const (
	feishuSign   = "kRD2lG3+oKGxOaQw/HZidbl1HCiFimN0sk9eomlPZ2Y="
	dingTalkSign = "Yxz1ZMeaNeCAqIipLd34E0vLhZV5%2BKwnquRNZDS2WVw%3D"
)

func destination(kind, url, language string) notify.Destination {
	d := notify.Destination{
		Destination: &tokenstorev1.Destination{Id: "d1", Name: "team", Kind: kind, Language: language, Chat: "@ops"},
		URL:         secret.New(url), Secret: secret.New(theSecret),
	}
	d.Complete()
	return d
}

// aDelivery tells of two alerts that fire, one with what markup would take for its own, and one
// that is over.
func aDelivery() notify.Delivery {
	told := func(name, upstream string) notify.Told {
		return notify.Told{Alert: notify.Alert{Name: name, Labels: map[string]string{notify.UpstreamLabel: upstream}, Count: 2, Of: 9, Detail: `auth <b> & "*x*"`}, Since: moment}
	}
	over := told(notify.TokenParked, "openai")
	over.Resolved = moment.Add(time.Hour)
	return notify.Delivery{
		ID: "n1", Destination: "d1", Made: moment, Attempt: 1,
		Firing: []notify.Told{told(notify.PoolDry, "cursor"), told(notify.GuardOpen, "my_up*stream")}, Resolved: []notify.Told{over},
	}
}

// seen is a request that a destination got.
type seen struct {
	path   string
	query  string
	header http.Header
	body   []byte
}

// answering is a server that keeps the last request and answers as it is told.
func answering(t *testing.T, status int, answer string) (url string, got *seen) {
	t.Helper()
	got = &seen{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.path, got.query, got.header = r.URL.Path, r.URL.RawQuery, r.Header
		got.body, _ = io.ReadAll(r.Body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

func courierAt(now time.Time) *Courier {
	c := New()
	c.now = func() time.Time { return now }
	return c
}

// accepting are the answers with which services take a message.
var accepting = map[string]string{
	notify.Webhook: "", notify.Slack: "ok", notify.Feishu: `{"code":0,"msg":"success","data":{}}`, notify.WeCom: `{"errcode":0,"errmsg":"ok"}`,
	notify.DingTalk: `{"errcode":0,"errmsg":"ok"}`, notify.Telegram: `{"ok":true,"result":{}}`,
}

// Each service is told in its own form. "go test ./internal/courier -update" writes what is kept.
func TestForms(t *testing.T) {
	t.Parallel()
	for _, kind := range notify.Kinds() {
		if kind == notify.Mail {
			continue
		}
		for _, language := range []string{notify.English, notify.Chinese} {
			for name, delivery := range map[string]notify.Delivery{"alerts": aDelivery(), "test": {ID: "n2", Destination: "d1", Made: moment}} {
				golden := fmt.Sprintf("%s-%s-%s.json", kind, language, name)
				t.Run(golden, func(t *testing.T) {
					t.Parallel()
					url, got := answering(t, 200, accepting[kind])
					if err := courierAt(moment).Send(t.Context(), destination(kind, url+thePath+"?key=a", language), delivery); err != nil {
						t.Fatal(err)
					}
					if got.header.Get(DeliveryHeader) != delivery.ID {
						t.Errorf("the delivery's id is %q", got.header.Get(DeliveryHeader))
					}
					compare(t, filepath.Join("testdata", golden), got.body)
				})
			}
		}
	}
}

func compare(t *testing.T, path string, body []byte) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, body, "", "  "); err != nil {
		t.Fatalf("no JSON: %v", err)
	}
	if *update {
		if err := os.WriteFile(path, pretty.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pretty.Bytes(), want) {
		t.Errorf("it is told\n%s\nwant\n%s", &pretty, want)
	}
	if strings.Contains(pretty.String(), "very-secret") {
		t.Error("a secret is told")
	}
}

// What proves who speaks stands where each service looks for it. The signatures were computed with
// openssl from what the services' documents say.
func TestProofs(t *testing.T) {
	t.Parallel()
	for kind, check := range map[string]func(t *testing.T, got *seen){
		notify.Webhook: func(t *testing.T, got *seen) {
			if got.header.Get("Authorization") != "Bearer "+theSecret {
				t.Errorf("%q", got.header)
			}
		},
		notify.Feishu: func(t *testing.T, got *seen) {
			var body struct{ Timestamp, Sign string }
			if err := json.Unmarshal(got.body, &body); err != nil || body.Timestamp != "1795953600" || body.Sign != feishuSign {
				t.Errorf("%+v, %v", body, err)
			}
		},
		notify.DingTalk: func(t *testing.T, got *seen) {
			if want := "key=a&sign=" + dingTalkSign + "&timestamp=1795953600000"; got.query != want {
				t.Errorf("%s, want %s", got.query, want)
			}
		},
		notify.Telegram: func(t *testing.T, got *seen) {
			if got.path != "/bot"+theSecret+"/sendMessage" {
				t.Errorf("%s", got.path)
			}
		},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			url, got := answering(t, 200, accepting[kind])
			if kind != notify.Telegram {
				url += thePath + "?key=a"
			}
			if err := courierAt(moment).Send(t.Context(), destination(kind, url, notify.English), aDelivery()); err != nil {
				t.Fatal(err)
			}
			check(t, got)
		})
	}
}

// An answer says whether it was taken, and whether it is worth another try; what is secret is in no
// error, though an answer repeats it.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind   string
		status int
		answer string
		says   string
		final  bool
	}{
		"not found":             {notify.Webhook, 404, "no hook " + thePath + " for " + theSecret, "it answered 404: no hook", true},
		"a redirect":            {notify.Webhook, 302, "", "it answered 302", true},
		"an error of its own":   {notify.Webhook, 502, "bad gateway", "it answered 502: bad gateway", false},
		"too often":             {notify.Slack, 429, "rate_limited", "it answered 429", false},
		"Feishu refuses":        {notify.Feishu, 200, `{"code":19021,"msg":"sign match fail or timestamp is not within one hour"}`, "code 19021: sign match fail", true},
		"Feishu, too often":     {notify.Feishu, 200, `{"code":11232,"msg":"frequency limited"}`, "code 11232", false},
		"Feishu of before":      {notify.Feishu, 200, `{"StatusCode":0,"StatusMessage":"success"}`, "", false},
		"no answer of Feishu's": {notify.Feishu, 200, `<html>`, "no answer of Feishu's", false},
		"WeCom refuses":         {notify.WeCom, 200, `{"errcode":93000,"errmsg":"invalid webhook url"}`, "WeCom refused it with code 93000: invalid webhook url", true},
		"WeCom, too often":      {notify.WeCom, 200, `{"errcode":45009,"errmsg":"api freq out of limit"}`, "code 45009", false},
		"DingTalk refuses":      {notify.DingTalk, 200, `{"errcode":310000,"errmsg":"sign not match"}`, "DingTalk refused it with code 310000", true},
		"DingTalk is busy":      {notify.DingTalk, 200, `{"errcode":-1,"errmsg":"system busy"}`, "code -1", false},
		"Telegram refuses":      {notify.Telegram, 400, `{"ok":false,"description":"Bad Request: chat not found"}`, "chat not found", true},
		"no answer of Telegram": {notify.Telegram, 200, `{}`, "no answer of Telegram's", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := answering(t, c.status, c.answer)
			err := courierAt(moment).Send(t.Context(), destination(c.kind, url+thePath, notify.English), aDelivery())
			wantRefusal(t, err, c.says, c.final)
		})
	}
	t.Run("nobody is there", func(t *testing.T) {
		t.Parallel()
		err := courierAt(moment).Send(t.Context(), destination(notify.Webhook, "http://127.0.0.1:1"+thePath, notify.English), aDelivery())
		wantRefusal(t, err, "it could not be reached", false)
	})
	t.Run("nobody knows the kind", func(t *testing.T) {
		t.Parallel()
		err := courierAt(moment).Send(t.Context(), destination("pigeon", "http://127.0.0.1:1"+thePath, notify.English), aDelivery())
		wantRefusal(t, err, "pigeon", true)
	})
}

func wantRefusal(t *testing.T, err error, says string, final bool) {
	t.Helper()
	if says == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "very-secret") {
		t.Fatalf("error %v", err)
	}
	refusal, _ := errorsAs(err)
	if refusal.Final != final {
		t.Errorf("final: %v, of %v", refusal.Final, err)
	}
}

func errorsAs(err error) (notify.Refusal, bool) {
	if refusal, ok := err.(*notify.Refusal); ok { //nolint:errorlint // it is the outermost
		return *refusal, true
	}
	return notify.Refusal{}, false
}

// However much there is to tell, a message stays within what its service takes, and says how much
// it leaves out.
func TestMessagesAreBounded(t *testing.T) {
	t.Parallel()
	many := aDelivery()
	for range 500 {
		many.Firing = append(many.Firing, many.Firing[0])
	}
	for kind, c := range map[string]struct {
		most int
		text func(body []byte) string
	}{
		notify.Slack: {3000, func(body []byte) string {
			var said struct {
				Blocks []struct{ Text struct{ Text string } }
			}
			_ = json.Unmarshal(body, &said) // an empty one fails
			return said.Blocks[1].Text.Text
		}},
		notify.Feishu:   {20 << 10, func(body []byte) string { return string(body) }},
		notify.DingTalk: {20_000, func(body []byte) string { return string(body) }},
		notify.WeCom: {4096, func(body []byte) string {
			var said struct{ Markdown struct{ Content string } }
			_ = json.Unmarshal(body, &said) // an empty one fails
			return said.Markdown.Content
		}},
		notify.Telegram: {4096, func(body []byte) string {
			var said struct{ Text string }
			_ = json.Unmarshal(body, &said) // an empty one fails
			return said.Text
		}},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			url, got := answering(t, 200, accepting[kind])
			if err := courierAt(moment).Send(t.Context(), destination(kind, url, notify.Chinese), many); err != nil {
				t.Fatal(err)
			}
			if text := c.text(got.body); len(text) > c.most || len(text) < c.most/2 || !strings.Contains(text, "另有") {
				t.Errorf("%d bytes, of at most %d: …%s", len(text), c.most, text[max(len(text)-100, 0):])
			}
		})
	}
}
