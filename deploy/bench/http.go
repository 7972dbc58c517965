package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// call makes one request that isn't measured, and wants a 2xx.
func call(ctx context.Context, method, url, key string, body any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, fmt.Errorf("%s %s: %s: %.500s", method, url, response.Status, text)
	}
	return text, nil
}

// series are the samples of a metrics page, by name and labels as written there.
type series map[string]float64

func scrape(ctx context.Context, opsAddr string) (series, error) {
	page, err := call(ctx, http.MethodGet, "http://"+opsAddr+"/metrics", "", nil)
	if err != nil {
		return nil, err
	}
	samples := series{}
	for line := range strings.Lines(string(page)) {
		name, value, found := strings.Cut(strings.TrimSpace(line), " ")
		if !found || name == "#" {
			continue
		}
		if samples[name], err = strconv.ParseFloat(value, 64); err != nil {
			return nil, err
		}
	}
	return samples, nil
}

// sum adds up samples that must all be there.
func (s series) sum(names ...string) (float64, error) {
	total := 0.0
	for _, name := range names {
		value, found := s[name]
		if !found {
			return 0, errors.New("the gateway has no metric " + name)
		}
		total += value
	}
	return total, nil
}
