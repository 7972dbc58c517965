package tokencount_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/tokencount"
)

func asked(text string) *chat.Request {
	return &chat.Request{Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{{Text: text}}}}}
}

// What is set aside suffices, mostly: what it lacks is counted at the end all the same.
func TestAtMost(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile("tokencount.go")
	if err != nil {
		t.Fatal(err)
	}
	var noise []byte
	for i := range 40 {
		sum := sha256.Sum256([]byte{byte(i)})
		noise = append(noise, sum[:]...)
	}
	for name, c := range map[string]struct {
		text string
		most float64 // of what Prompt counts
	}{
		"nothing":   {"", 1.5},
		"a word":    {"Hello", 1.5},
		"English":   {strings.Repeat("All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience. ", 20), 1.7},
		"German":    {strings.Repeat("Alle Menschen sind frei und gleich an Würde und Rechten geboren. ", 20), 1.7},
		"Russian":   {strings.Repeat("Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему. ", 20), 2},
		"Chinese":   {strings.Repeat("北京是中华人民共和国的首都，也是全国的政治中心和文化中心。", 20), 2.3},
		"Japanese":  {strings.Repeat("吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。", 20), 1.5},
		"Korean":    {strings.Repeat("모든 국민은 법 앞에 평등하다. ", 20), 2.2},
		"a program": {string(program), 1.7},
		"a table":   {strings.Repeat("17,2026-11-28,4711,0.25,ok\n42,2026-11-29,815,1.75,failed\n", 20), 1.5},
		"base64":    {base64.StdEncoding.EncodeToString(noise), 1.4},
		"hex":       {hex.EncodeToString(noise), 1.5},
		"JSON":      {strings.Repeat(`{"id":"a1","name":"first","tags":["x","y"],"count":12,"ok":true}`+"\n", 20), 1.7},
	} {
		exact, bound := tokencount.Prompt(asked(c.text)), tokencount.AtMost(asked(c.text))
		if ratio := float64(bound) / float64(exact); ratio < 0.95 || ratio > c.most {
			t.Errorf("%s: %d for %d tokens, %.2f times as many", name, bound, exact, ratio)
		}
	}
}

func TestAtMostCountsAllThatPromptDoes(t *testing.T) {
	t.Parallel()
	image := &chat.Request{Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{{Image: &chat.Image{}}}}}}
	if bound := tokencount.AtMost(image); bound < 1600 || bound > 1700 {
		t.Errorf("an image: %d", bound)
	}
	tools := asked("hello")
	before := tokencount.AtMost(tools)
	tools.Tools = []chat.ToolSpec{{Name: "look", Description: "looks something up", Schema: []byte(`{"type":"object","properties":{}}`)}}
	if after := tokencount.AtMost(tools); after < before+15 {
		t.Errorf("with a tool %d, without %d", after, before)
	}
}

func BenchmarkAtMost(b *testing.B) {
	request := asked(strings.Repeat("All human beings are born free and equal. ", 25))
	b.SetBytes(int64(len(request.Messages[0].Parts[0].Text)))
	b.ReportAllocs()
	for b.Loop() {
		tokencount.AtMost(request)
	}
}
