package cursor

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/imagefetch"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/redial"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

// Name is the driver's name in an upstream's config.
const Name = "cursor"

const (
	defaultBaseURL = "https://api2.cursor.sh"
	defaultSite    = "https://www.cursor.com"
	procedure      = "/aiserver.v1.AiService/StreamChat"
)

// Names and defaults of the settings.
const (
	connectSetting   = "connect_timeout"
	firstByteSetting = "first_byte_timeout"
	idleSetting      = "idle_timeout"
	siteSetting      = "site_url"

	defaultConnect   = 10 * time.Second
	defaultFirstByte = 60 * time.Second
	defaultIdle      = 120 * time.Second
	maxTimeout       = time.Hour
)

type driver struct {
	client    *connect.Client[aiserverv1.GetChatRequest, aiserverv1.StreamChatResponse]
	transport *redial.Transport
	// plain asks for what is no stream. base is the API's URL, site the website's;
	// empty: the website is not asked.
	plain      *http.Client
	base, site string
	// firstByte bounds the time until the first event, idle the time between two.
	firstByte, idle time.Duration
	images          images
	// now and newID are fixed in tests.
	now   func() time.Time
	newID func() string
}

// New builds the driver. An empty base URL is the real upstream. The settings are
// connect_timeout, first_byte_timeout and idle_timeout, in Go's notation of
// durations, and site_url, which is asked about accounts: a base URL of the website.
// Where only the base URL is set no website is asked, because the token is for
// nobody but who was named.
func New(config upstream.Config) (upstream.Driver, error) {
	base, err := parseBaseURL(config.BaseURL)
	if err != nil {
		return nil, err
	}
	timeouts, err := parseSettings(config.Settings)
	if err != nil {
		return nil, err
	}
	site, err := parseSite(config)
	if err != nil {
		return nil, err
	}
	transport := redial.New(newTransport(timeouts[connectSetting]))
	d := newDriver(base, transport)
	d.transport, d.site = transport, site
	d.firstByte, d.idle = timeouts[firstByteSetting], timeouts[idleSetting]
	return d, nil
}

// newDriver builds a driver with default timeouts on any transport.
func newDriver(base string, transport http.RoundTripper) *driver {
	// A redirect would carry the token elsewhere: it is an error.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client := &http.Client{Transport: dresser{transport}, CheckRedirect: stay}
	return &driver{
		plain: &http.Client{Transport: transport, CheckRedirect: stay},
		base:  base,
		client: connect.NewClient[aiserverv1.GetChatRequest, aiserverv1.StreamChatResponse](
			client, base+procedure,
			connect.WithReadMaxBytes(maxFrame),
			connect.WithAcceptCompression(gzipName, newDecompressor, newCompressor),
		),
		firstByte: defaultFirstByte,
		idle:      defaultIdle,
		now:       time.Now,
		newID:     newUUID,
		images:    imagefetch.New(imagefetch.Options{}),
	}
}

// Chat implements upstream.Driver.
func (d *driver) Chat(ctx context.Context, call *upstream.Call) iter.Seq2[chat.Event, error] {
	return func(yield func(chat.Event, error) bool) {
		if failure := d.stream(ctx, call, yield); failure != nil {
			yield(chat.Event{}, failure)
		}
	}
}

// Models implements upstream.Driver. The list is built in.
func (d *driver) Models(context.Context, upstream.Credential) ([]chat.Model, error) {
	return slices.Clone(models), nil
}

// BuiltInModels implements upstream.BuiltIn.
func (d *driver) BuiltInModels() []chat.Model { return slices.Clone(models) }

// Close implements upstream.Driver.
func (d *driver) Close() {
	if d.transport != nil {
		d.transport.CloseIdleConnections()
	}
}

func parseBaseURL(text string) (string, error) {
	if text == "" {
		return defaultBaseURL, nil
	}
	return parseURL("base_url", text)
}

func parseSite(config upstream.Config) (string, error) {
	switch text := config.Settings[siteSetting]; {
	case text != "":
		return parseURL("settings."+siteSetting, text)
	case config.BaseURL == "" || strings.TrimRight(config.BaseURL, "/") == defaultBaseURL:
		return defaultSite, nil
	default:
		return "", nil
	}
}

// parseURL reads a base URL; field names it in errors.
func parseURL(field, text string) (string, error) {
	// url.Parse's own error repeats the text, and with it a password.
	base, err := url.Parse(text)
	var problem string
	switch {
	case err != nil:
		problem = "not a URL"
	case base.Scheme != "http" && base.Scheme != "https":
		problem = "must begin with http:// or https://"
	case base.Host == "":
		problem = "names no host"
	case base.User != nil:
		problem = "must not hold a user name or password"
	case base.RawQuery != "" || base.Fragment != "":
		problem = "must not hold a query or fragment"
	}
	if problem != "" {
		return "", fmt.Errorf("%s: %s", field, problem)
	}
	return strings.TrimRight(text, "/"), nil
}

func parseSettings(settings map[string]string) (map[string]time.Duration, error) {
	timeouts := map[string]time.Duration{
		connectSetting: defaultConnect, firstByteSetting: defaultFirstByte, idleSetting: defaultIdle,
	}
	var problems []error
	for name, text := range settings {
		if name == siteSetting {
			continue // parseSite's
		}
		if _, known := timeouts[name]; !known {
			problems = append(problems, fmt.Errorf(
				"settings.%s: unknown; the driver has %s, %s", name, strings.Join(slices.Sorted(maps.Keys(timeouts)), ", "), siteSetting,
			))
			continue
		}
		timeout, err := time.ParseDuration(text)
		if err != nil || timeout <= 0 || timeout > maxTimeout {
			problems = append(problems, fmt.Errorf("settings.%s: must be a duration up to %s, such as 60s", name, maxTimeout))
			continue
		}
		timeouts[name] = timeout
	}
	return timeouts, errors.Join(problems...)
}

// Carries implements upstream.Carrier: the upstream is sent a conversation with images and
// nothing else.
func (d *driver) Carries(need chat.Need) bool { return need == chat.Pictures }

// TakesOwnTokens implements upstream.OwnTokens.
func (d *driver) TakesOwnTokens() {}
