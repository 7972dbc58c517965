// Package courier brings notifications to their destinations: as JSON to webhooks, in the words of
// chat services, and as mail. What is secret of a destination stands in no error.
package courier

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"carousel.internal/tokenstore/internal/notify"
)

const (
	// maxAnswer bounds what is read of an answer, in bytes, and maxQuoted what is repeated of it.
	maxAnswer = 64 << 10
	maxQuoted = 200
	// DeliveryHeader has the id of a delivery, the same in each attempt: who gets it twice can tell.
	DeliveryHeader = "Carousel-Delivery"
)

// Courier sends over HTTP and SMTP. It is safe for concurrent use.
type Courier struct {
	client *http.Client
	now    func() time.Time
	// roots are the authorities that mail servers are known by; nil: the system's.
	roots *x509.CertPool
}

// New makes a Courier. Webhooks may be within private networks: only admins say where they are.
func New() *Courier {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is what the library makes
	transport.MaxIdleConnsPerHost = 1
	return &Courier{
		client: &http.Client{
			Transport: transport,
			// Where a redirect leads nobody has said, and it would be told what is secret.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		now: time.Now,
	}
}

// letter is a request as a kind of destination wants it.
type letter struct {
	url    string
	body   any
	header map[string]string
	// accepted tells of an answer whether it says that the message was taken; nil: 2xx says so.
	accepted func(answer []byte) error
}

// form writes a delivery for a kind of destination.
type form func(to notify.Destination, delivery notify.Delivery, now time.Time) letter

// forms are those of all kinds that are told over HTTP.
var forms = map[string]form{
	notify.Webhook:  webhookForm,
	notify.Slack:    slackForm,
	notify.Feishu:   feishuForm,
	notify.WeCom:    weComForm,
	notify.DingTalk: dingTalkForm,
	notify.Telegram: telegramForm,
}

// Send implements notify.Courier.
func (c *Courier) Send(ctx context.Context, to notify.Destination, delivery notify.Delivery) error {
	if to.GetKind() == notify.Mail {
		return discreet(c.mail(ctx, to, delivery), to)
	}
	write, known := forms[to.GetKind()]
	if !known {
		return &notify.Refusal{Reason: fmt.Sprintf("nobody knows how to tell a destination of the kind %q", to.GetKind()), Final: true}
	}
	return discreet(c.post(ctx, write(to, delivery, c.now()), delivery.ID), to)
}

// post sends the letter and reads whether it was taken.
func (c *Courier) post(ctx context.Context, sent letter, id string) error {
	body, err := encode(sent.body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, sent.url, bytes.NewReader(body))
	if err != nil {
		return &notify.Refusal{Reason: "its URL can't be asked", Final: true}
	}
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	request.Header.Set("User-Agent", "Carousel")
	request.Header.Set(DeliveryHeader, id)
	for name, value := range sent.header {
		request.Header.Set(name, value)
	}
	response, err := c.client.Do(request)
	if err != nil {
		return withoutURL(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return refused(response, answer)
	}
	if err != nil || sent.accepted == nil {
		return nil // the status has said that it was taken
	}
	return sent.accepted(answer)
}

// refused is what an answer says that is no success. Only a client's own mistake is final.
func refused(response *http.Response, answer []byte) error {
	status := response.StatusCode
	final := status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooEarly && status != http.StatusTooManyRequests
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	return &notify.Refusal{
		Reason: strings.TrimSpace(fmt.Sprintf("it answered %d: %s", status, quoted(answer))), Final: final,
		RetryAfter: time.Duration(max(seconds, 0)) * time.Second,
	}
}

// quoted is the beginning of an answer, on one line.
func quoted(answer []byte) string {
	text := strings.Join(strings.Fields(string(answer[:min(len(answer), maxQuoted)])), " ")
	return strings.ToValidUTF8(text, "")
}

// withoutURL is an error of the HTTP client without the URL, which may be secret.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("it did not answer in time")
	}
	return fmt.Errorf("it could not be reached: %w", err)
}

// discreet is the error without what is secret of the destination, should an answer repeat it.
func discreet(err error, to notify.Destination) error {
	if err == nil {
		return nil
	}
	hide := func(text string) string {
		for _, hidden := range secretsOf(to) {
			text = strings.ReplaceAll(text, hidden, "…")
		}
		return text
	}
	if refusal, ok := errors.AsType[*notify.Refusal](err); ok {
		return &notify.Refusal{Reason: hide(refusal.Reason), Final: refusal.Final, RetryAfter: refusal.RetryAfter}
	}
	return errors.New(hide(err.Error()))
}

// secretsOf are the secret and the URL of a destination, the latter also in its parts.
func secretsOf(to notify.Destination) []string {
	secrets := []string{to.Secret.Reveal(), to.URL.Reveal()}
	if parsed, err := url.Parse(to.URL.Reveal()); err == nil {
		secrets = append(secrets, parsed.RequestURI(), parsed.RawQuery, parsed.Path)
		secrets = append(secrets, strings.Split(parsed.Path, "/")...)
		for _, values := range parsed.Query() {
			secrets = append(secrets, values...)
		}
		if password, has := parsed.User.Password(); has {
			secrets = append(secrets, password)
		}
	}
	return longOnes(secrets)
}

// longOnes leaves out what is too short to be secret, and would make an error unreadable.
func longOnes(texts []string) []string {
	const shortest = 8
	var long []string
	for _, text := range texts {
		if len(text) >= shortest {
			long = append(long, text)
		}
	}
	return long
}
