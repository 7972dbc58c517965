package httpapi

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/chat"
)

// startedLayout is how the reference writes times here.
const startedLayout = "2006-01-02 15:04:05.000000000 -07:00"

// healthAnswer is what /health tells everyone, and Stats what it tells the
// admin.
type healthAnswer struct {
	Status  string `json:"status"`
	Version string `json:"version"`
	// Uptime is in whole seconds.
	Uptime    int64        `json:"uptime"`
	Stats     *healthStats `json:"stats,omitempty"`
	Models    []string     `json:"models"`
	Endpoints []string     `json:"endpoints"`
}

type healthStats struct {
	// Started is when the first gateway of all started, in this one's time zone;
	// the requests are those of all gateways. While the tokenstore does not tell,
	// all three are this gateway's own.
	Started        string `json:"started"`
	TotalRequests  uint64 `json:"total_requests"`
	ActiveRequests uint64 `json:"active_requests"`
	System         struct {
		Memory struct {
			// RSS is in bytes.
			RSS uint64 `json:"rss"`
		} `json:"memory"`
		CPU struct {
			// Usage is this process's, in percent of one core, since the last time
			// that somebody asked.
			Usage float64 `json:"usage"`
		} `json:"cpu"`
	} `json:"system"`
}

// helloPath is what clients ask at their start to find out whether anybody is there, with
// HEAD. Older ones ask /, and of neither do they take a redirect for a yes.
const helloPath = "/api/hello"

// GET /api/hello
func hello(c *gin.Context) error {
	c.Status(http.StatusNoContent)
	return nil
}

// GET /health
func (s *server) health(c *gin.Context) error {
	answer := healthAnswer{
		Status: "healthy", Version: s.Options.Version, Uptime: int64(time.Since(s.started).Seconds()),
		Models: []string{}, Endpoints: s.endpoints,
	}
	admin, err := s.isAdmin(c.Request)
	if err != nil {
		return err
	}
	for _, model := range s.Models() {
		answer.Models = append(answer.Models, model.ID)
	}
	if admin {
		answer.Stats = s.stats()
	}
	return s.writeValue(c, answer)
}

// isAdmin tells whether the admin token was sent. Without it the answer is a shorter one;
// the error is for who tries too many.
func (s *server) isAdmin(r *http.Request) (bool, error) {
	if s.Gate.Check(r.Header.Get("Authorization")) == auth.Missing {
		return false, nil
	}
	err := s.Gate.Authorize(r)
	if refusal := chat.AsError(err); refusal != nil && refusal.Kind == chat.TooManyAttempts {
		return false, err
	}
	return err == nil, nil
}

func (s *server) stats() *healthStats {
	chats := s.allChats()
	stats := &healthStats{
		Started: chats.StartedAt.Local().Format(startedLayout), TotalRequests: chats.Total, ActiveRequests: chats.Active,
	}
	resident, cpuSeconds := s.process.Usage()
	stats.System.Memory.RSS = uint64(resident)
	stats.System.CPU.Usage = s.cpu.percent(cpuSeconds, time.Now())
	return stats
}

func (s *server) allChats() FleetChats {
	if s.Fleet != nil {
		if all, told := s.Fleet(); told {
			return all
		}
	}
	total, active := s.Chats.Now()
	return FleetChats{StartedAt: s.started, Total: total, Active: uint64(active)}
}

// cpuMeter turns CPU seconds into percent of the time between two looks.
type cpuMeter struct {
	mu      sync.Mutex
	since   time.Time
	seconds float64
}

func (m *cpuMeter) percent(seconds float64, now time.Time) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	elapsed := now.Sub(m.since).Seconds()
	if elapsed <= 0 {
		return 0
	}
	percent := 100 * (seconds - m.seconds) / elapsed
	m.since, m.seconds = now, seconds
	return percent
}

func (s *server) writeValue(c *gin.Context, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	s.writeJSON(c, http.StatusOK, body)
	return nil
}
