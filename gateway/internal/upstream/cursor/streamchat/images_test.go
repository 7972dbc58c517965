package streamchat

import (
	"bytes"
	"testing"

	"carousel.internal/gateway/internal/chat"
)

func TestImages(t *testing.T) {
	t.Parallel()
	file := []byte("a file")
	call := callOf(chat.Message{Role: chat.User, Parts: []chat.Part{
		{Text: "Look"}, {Image: &chat.Image{Data: file, Width: 3, Height: 2}}, {Text: "here"},
	}})
	message, failure := fixed(nil).newMessage(call, "id")
	if failure != nil {
		t.Fatal(failure)
	}
	turn := message.GetConversation()[0]
	if turn.GetText() != "Look\nhere" || len(turn.GetImages()) != 1 {
		t.Fatalf("%q with %d images", turn.GetText(), len(turn.GetImages()))
	}
	img := turn.GetImages()[0]
	if size := img.GetDimension(); !bytes.Equal(img.GetData(), file) || size.GetWidth() != 3 || size.GetHeight() != 2 {
		t.Errorf("%d bytes, %v", len(img.GetData()), size)
	}
}

func TestDimensionIsAbsentWhereItIsNotKnown(t *testing.T) {
	t.Parallel()
	files := imagesOf(chat.Message{Parts: []chat.Part{{Image: &chat.Image{Data: []byte("a file")}}}})
	if len(files) != 1 || files[0].Dimension != nil {
		t.Errorf("%v", files)
	}
}
