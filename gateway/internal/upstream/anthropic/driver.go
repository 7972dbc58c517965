package anthropic

import (
	"context"
	"encoding/base64"
	"errors"
	"iter"
	"net/url"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/gateway/internal/upstream/wire"
	"carousel.internal/proto/service/secret"
)

// dialect is the name of what the upstream speaks, as in chat.Source and chat.Raw.
const dialect = "anthropic"

// Driver is an upstream.Driver.
type Driver struct {
	settings    settings
	transport   *egress.Transport
	messagesURL *url.URL
	countURL    *url.URL
	modelsURL   *url.URL
}

var _ upstream.Constructor = New

// New builds a driver for config.BaseURL.
func New(config upstream.Config) (upstream.Driver, error) {
	base, badBase := parseBase(config.BaseURL)
	settings, badSettings := parseSettings(config.Settings)
	if err := errors.Join(badBase, badSettings); err != nil {
		return nil, err
	}
	transport, err := wire.NewTransport(settings.proxy)
	if err != nil {
		return nil, err
	}
	messages := base.JoinPath("messages")
	return &Driver{
		settings: settings, transport: transport,
		messagesURL: messages, countURL: messages.JoinPath("count_tokens"), modelsURL: base.JoinPath("models"),
	}, nil
}

// parseBase reads a base URL, to which /messages and /models are added: with the version in
// it, as other drivers have it, or without, as the vendor's own clients do.
func parseBase(text string) (*url.URL, error) {
	base, err := wire.ParseBase(text, "https://api.anthropic.com")
	switch {
	case err != nil:
		return nil, err
	case base.Fragment != "" || base.RawQuery != "":
		return nil, errors.New("base_url: must not have a query or a fragment")
	}
	path := strings.TrimRight(base.Path, "/")
	if strings.HasSuffix(path, "/messages") {
		return nil, errors.New("base_url: must end before /messages, which is added")
	}
	if !strings.HasSuffix(path, "/v1") {
		path += "/v1"
	}
	base.Path, base.RawPath = path, ""
	return base, nil
}

// Chat implements upstream.Driver.
func (d *Driver) Chat(ctx context.Context, call *upstream.Call) iter.Seq2[chat.Event, error] {
	return func(yield func(chat.Event, error) bool) {
		a := attempt{driver: d, call: call, yield: yield}
		if failure := a.run(ctx); failure != nil && !a.left {
			yield(chat.Event{}, failure)
		}
	}
}

// Prepare implements upstream.Preparer. Images go to the upstream as they are, and it
// fetches those by URL itself, so only a setting of none keeps them back.
func (d *Driver) Prepare(_ context.Context, request *chat.Request, options upstream.Options) (*chat.Request, error) {
	if !d.Speaks(request.Source.Dialect) {
		if err := checkDocuments(request); err != nil {
			return nil, err
		}
	}
	switch {
	case options.Vision != upstream.VisionNone:
		return request, nil
	case request.HistoryFault != nil: // there may be images in what could not be read
		return nil, request.HistoryFault
	}
	for i := range request.Messages {
		for j := range request.Messages[i].Parts {
			if hasImage(&request.Messages[i].Parts[j]) {
				return nil, upstream.VisionDisabled(request, i, j)
			}
		}
	}
	return request, nil
}

// hasImage tells whether a part is an image, or the result of a tool with one in it.
func hasImage(part *chat.Part) bool {
	if part.Result == nil {
		return part.Image != nil
	}
	for i := range part.Result.Parts {
		if part.Result.Parts[i].Image != nil {
			return true
		}
	}
	return false
}

// checkDocuments refuses what the API takes no document of, before a token is lent.
func checkDocuments(request *chat.Request) error {
	for i := range request.Messages {
		for j := range request.Messages[i].Parts {
			if !readableAll(request.Messages[i].Parts[j : j+1]) {
				return upstream.RefusePart(chat.Unsupported, request, i, j, "this upstream reads PDF files and texts; send one of them")
			}
		}
	}
	return nil
}

// readableAll tells whether the API takes the documents among parts, and in results of tools.
func readableAll(parts []chat.Part) bool {
	for i := range parts {
		switch part := &parts[i]; {
		case part.Document != nil && !readable(part.Document), part.Result != nil && !readableAll(part.Result.Parts):
			return false
		}
	}
	return true
}

// readable tells whether the API takes a document.
func readable(document *chat.Document) bool {
	mediaType, data, inline := ofDataURL(document.URL)
	switch {
	case document.Text != "":
		return true
	case !inline:
		return strings.HasPrefix(document.URL, "https://") || strings.HasPrefix(document.URL, "http://")
	case isPlainText(mediaType):
		_, err := base64.StdEncoding.DecodeString(data)
		return err == nil
	}
	return mediaType == "application/pdf"
}

// Speaks implements upstream.Native.
func (d *Driver) Speaks(name string) bool { return name == dialect }

// carried is what a request of another dialect can be asked for. Texts that end an answer are
// sent too, but not those of white space alone: so the gateway keeps them as well.
var carried = map[chat.Need]bool{
	chat.Tools: true, chat.FreeTools: true, chat.JSONObject: true, chat.JSONSchema: true, chat.Pictures: true, chat.Papers: true, chat.TextPapers: true, chat.ToolMedia: true,
	chat.OutputLimit: true,
}

// Carries implements upstream.Carrier.
func (d *Driver) Carries(need chat.Need) bool { return carried[need] }

// Close implements upstream.Driver.
func (d *Driver) Close() { d.transport.CloseIdleConnections() }

// CheckProxy implements upstream.ProxyChecker.
func (d *Driver) CheckProxy(ctx context.Context, proxy secret.Value) error {
	return d.transport.Check(ctx, proxy, d.modelsURL)
}
