package courier

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"

	"carousel.internal/tokenstore/internal/notify"
)

// maxMail bounds the text of a mail, in bytes.
const maxMail = 256 << 10

// mail sends a delivery as one mail to all addresses. Its Message-ID is that of the delivery, the
// same in each attempt.
func (c *Courier) mail(ctx context.Context, to notify.Destination, delivery notify.Delivery) error {
	letter, err := mailOf(to, delivery)
	if err != nil {
		return &notify.Refusal{Reason: "the mail can't be written: " + err.Error(), Final: true}
	}
	client, err := c.mailClient(to)
	if err != nil {
		return &notify.Refusal{Reason: "the mail server can't be asked: " + err.Error(), Final: true}
	}
	connection, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return fmt.Errorf("the mail server could not be reached, or logged in to: %w", err)
	}
	// Once the server has taken the mail, how the connection ends changes nothing.
	defer func() { _ = client.CloseWithSMTPClient(connection) }()
	if err := client.SendWithSMTPClient(connection, letter); err != nil {
		sending, known := errors.AsType[*mail.SendError](err)
		return &notify.Refusal{Reason: "the mail server refused it: " + err.Error(), Final: known && sending.ErrorCode() >= 500}
	}
	return nil
}

func mailOf(to notify.Destination, delivery notify.Delivery) (*mail.Msg, error) {
	said := messageOf(to, delivery)
	letter := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(letter.From(to.GetMail().GetFrom()), letter.To(to.GetMail().GetTo()...)); err != nil {
		return nil, err
	}
	letter.Subject(said.title)
	letter.SetDateWithValue(delivery.Made)
	letter.SetMessageIDWithValue(delivery.ID + "@carousel.invalid")
	letter.SetGenHeader(mail.Header(DeliveryHeader), delivery.ID)
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // nobody's holiday reply is wanted
	letter.SetBodyString(mail.TypeTextPlain, said.text(to.GetLanguage(), maxMail, plain, plain)+"\n")
	return letter, nil
}

func (c *Courier) mailClient(to notify.Destination) (*mail.Client, error) {
	way := to.GetMail()
	host, portText, err := net.SplitHostPort(way.GetServer())
	port, wrong := strconv.Atoi(portText)
	if err = errors.Join(err, wrong); err != nil {
		return nil, err
	}
	options := []mail.Option{
		mail.WithPort(port), mail.WithTimeout(notify.SendTimeout), mail.WithoutNoop(),
		mail.WithTLSConfig(&tls.Config{ServerName: host, RootCAs: c.roots, MinVersion: tls.VersionTLS12}),
	}
	switch way.GetSecurity() {
	case notify.TLS:
		options = append(options, mail.WithSSL())
	case notify.NoTLS:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if way.GetUsername() != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(way.GetUsername()), mail.WithPassword(to.Secret.Reveal()))
	}
	return mail.NewClient(strings.Trim(host, "[]"), options...)
}
