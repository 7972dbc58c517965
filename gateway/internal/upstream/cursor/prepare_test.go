package cursor

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/imagefetch"
	"carousel.internal/gateway/internal/imagefile"
	"carousel.internal/gateway/internal/upstream"
)

var (
	pngFile = encoded(func(b *bytes.Buffer) error {
		return png.Encode(b, image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.Black, color.White}))
	})
	movie = encoded(func(b *bytes.Buffer) error {
		frame := image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.Black, color.White})
		return gif.EncodeAll(b, &gif.GIF{Image: []*image.Paletted{frame, frame}, Delay: []int{1, 1}})
	})
	pngURL = dataURL(pngFile)
)

func encoded(encode func(*bytes.Buffer) error) []byte {
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func dataURL(file []byte) string {
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(file)
}

func shown(urls ...string) chat.Message {
	message := chat.Message{Role: chat.User, Parts: []chat.Part{{Text: "Look"}}}
	for _, url := range urls {
		message.Parts = append(message.Parts, chat.Part{Image: &chat.Image{URL: url}})
	}
	message.Parts = append(message.Parts, chat.Part{Text: "here"})
	return message
}

// fetched is a fetcher that answers by URL; what it has not breaks.
type fetched map[string][]byte

func (f fetched) Fetch(_ context.Context, urls []string) ([][]byte, error) {
	var files [][]byte
	for i, url := range urls {
		file, ok := f[url]
		if !ok {
			return nil, &imagefetch.Error{Index: i, Reason: imagefetch.ErrAddress, Err: errors.New("dial 10.0.0.1")}
		}
		files = append(files, file)
	}
	return files, nil
}

// prepare runs Prepare with a fetcher that has one file.
func prepare(vision string, messages ...chat.Message) (*chat.Request, error) {
	d := &driver{images: fetched{"https://example.com/a.png": pngFile, "HTTP://example.com/movie": movie}}
	return d.Prepare(context.Background(), &chat.Request{Messages: messages}, upstream.Options{Vision: vision})
}

func TestImages(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		vision string
		urls   []string
	}{
		"data URL":             {"base64", []string{pngURL}},
		"data URL, by default": {"", []string{pngURL}},
		"several":              {"base64", []string{pngURL, pngURL}},
		"by URL":               {"all", []string{"https://example.com/a.png"}},
		"both":                 {"all", []string{"https://example.com/a.png", pngURL, "https://example.com/a.png"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := shown(test.urls...)
			prepared, err := prepare(test.vision, said(chat.System, "S"), before)
			if err != nil {
				t.Fatal(err)
			}
			if before.Parts[1].Image.Data != nil {
				t.Error("the client's request was changed")
			}
			var images []*chat.Image
			for _, part := range prepared.Messages[1].Parts {
				if part.Image != nil {
					images = append(images, part.Image)
				}
			}
			if len(images) != len(test.urls) {
				t.Fatalf("%d images", len(images))
			}
			for _, img := range images {
				if !bytes.Equal(img.Data, pngFile) || img.Width != 3 || img.Height != 2 {
					t.Errorf("%d bytes, %d by %d", len(img.Data), img.Width, img.Height)
				}
			}
		})
	}
}

func TestTextNeedsNoPreparation(t *testing.T) {
	t.Parallel()
	request := &chat.Request{Messages: []chat.Message{said(chat.User, "Hi")}}
	prepared, err := (&driver{}).Prepare(t.Context(), request, upstream.Options{Vision: "none"})
	if err != nil || prepared != request {
		t.Errorf("%v, %v", prepared, err)
	}
}

func TestRefusedParts(t *testing.T) {
	t.Parallel()
	system := shown(pngURL)
	system.Role = chat.System
	for name, test := range map[string]struct {
		message chat.Message
		vision  string
		kind    chat.Kind
		says    string
	}{
		"switched off":        {shown(pngURL), "none", chat.VisionDisabled, "setting vision_ability allows them"},
		"URL, switched off":   {shown("https://example.com/a.png"), "none", chat.VisionDisabled, "setting vision_ability allows them"},
		"by URL":              {shown("https://example.com/a.png"), "base64", chat.VisionDisabled, "set vision_ability to all"},
		"by URL, default":     {shown("http://example.com/a.png"), "", chat.VisionDisabled, "set vision_ability to all"},
		"another scheme":      {shown("ftp://example.com/a.png"), "all", chat.InvalidImage, "neither a data URL"},
		"a path":              {shown("/a.png"), "all", chat.InvalidImage, "neither a data URL"},
		"no URL":              {shown(""), "all", chat.InvalidImage, "neither a data URL"},
		"can't be fetched":    {shown("https://intern/a.png"), "all", chat.InvalidImage, imagefetch.ErrAddress.Error()},
		"animated, by URL":    {shown("HTTP://example.com/movie"), "all", chat.InvalidImage, imagefile.ErrAnimated.Error()},
		"animated":            {shown(dataURL(movie)), "base64", chat.InvalidImage, imagefile.ErrAnimated.Error()},
		"broken base64":       {shown("data:image/png;base64,A A*"), "base64", chat.InvalidImage, imagefile.ErrBase64.Error()},
		"no base64":           {shown("data:image/png,abc"), "base64", chat.InvalidImage, imagefile.ErrNotDataURL.Error()},
		"unsupported type":    {shown("data:image/svg+xml;base64,AAAA"), "base64", chat.InvalidImage, imagefile.ErrFormat.Error()},
		"not an image":        {shown(dataURL([]byte("not a picture"))), "base64", chat.InvalidImage, imagefile.ErrNoImage.Error()},
		"empty":               {shown("data:image/png;base64,"), "base64", chat.InvalidImage, imagefile.ErrEmpty.Error()},
		"in a system message": {system, "base64", chat.InvalidRequest, "a system message can't hold images"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := prepare(test.vision, said(chat.System, "S"), said(chat.User, "Hi"), test.message)
			failure := chat.AsError(err)
			if failure == nil || failure.Kind != test.kind || !strings.Contains(failure.Message, test.says) {
				t.Fatalf("%v", err)
			}
			const where = "messages[2].content[1]"
			if failure.Param != where || !strings.HasPrefix(failure.Message, where+": ") {
				t.Errorf("param %s, %s", failure.Param, failure.Message)
			}
			if strings.Contains(failure.Message, "10.0.0.1") {
				t.Error("the client is told what an address is")
			}
		})
	}
}

// A bad data URL is told before anything is fetched.
func TestDataURLsAreLookedAtFirst(t *testing.T) {
	t.Parallel()
	_, err := prepare("all", shown("https://intern/a.png", "data:image/png;base64,*"))
	if failure := chat.AsError(err); failure == nil || failure.Param != "messages[0].content[2]" {
		t.Errorf("%v", err)
	}
}

func TestFetchEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := live().Prepare(ctx, &chat.Request{Messages: []chat.Message{shown("http://192.0.2.1/")}}, upstream.Options{Vision: "all"})
	if failure := chat.AsError(err); failure == nil || failure.Kind != chat.Canceled {
		t.Errorf("%v", err)
	}
}

// live is a driver that would really fetch.
func live() *driver { return &driver{images: imagefetch.New(imagefetch.Options{})} }

// A tool's result may hold images too.
func TestImagesOfResults(t *testing.T) {
	t.Parallel()
	result := &chat.Result{CallID: "c", Parts: []chat.Part{{Text: "See"}, {Image: &chat.Image{URL: "https://example.com/a.png"}}}}
	before := chat.Message{Role: chat.Tool, Parts: []chat.Part{{Result: result}}}
	prepared, err := prepare("all", before)
	if err != nil {
		t.Fatal(err)
	}
	if got := prepared.Messages[0].Parts[0].Result.Parts[1].Image; !bytes.Equal(got.Data, pngFile) {
		t.Errorf("%d bytes", len(got.Data))
	}
	if result.Parts[1].Image.Data != nil {
		t.Error("the client's request was changed")
	}
	if _, err := prepare("none", before); err == nil {
		t.Error("images are switched off, and it was taken")
	}
}
