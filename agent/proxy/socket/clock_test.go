package socket

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// running runs a test with a clock that runs, in time that does not pass by
// itself.
func running(t *testing.T, f func(t *testing.T, k *Clock)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		k := NewClock()
		var wg sync.WaitGroup
		wg.Go(func() { k.Run(ctx) })
		defer wg.Wait()
		defer cancel()
		f(t, k)
	})
}

// pass lets time pass, and the clock do what there is to do by then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestAlarmRings(t *testing.T) {
	running(t, func(t *testing.T, k *Clock) {
		var rings []time.Duration
		var a Alarm
		k.Add(&a, func(now time.Duration) time.Duration { rings = append(rings, now); return 0 })
		pass(time.Hour)
		a.Set(k.Now() + time.Second)
		pass(900 * time.Millisecond)
		a.Set(k.Now() + 2*time.Second) // later
		pass(900 * time.Millisecond)
		a.Set(k.Now() + time.Second) // sooner
		pass(time.Minute)
		a.Set(k.Now() + time.Second)
		a.Set(0) // not at all
		pass(time.Minute)
		a.Set(1) // in the past
		pass(time.Minute)
		k.Remove(&a)
		a.Set(k.Now() + time.Second) // is heard no more
		pass(time.Minute)
		want := []time.Duration{time.Hour + 2800*time.Millisecond, time.Hour + 2*time.Minute + 1800*time.Millisecond}
		if len(rings) != 2 {
			t.Fatalf("rang at %v", rings)
		}
		for i, at := range rings {
			if late := at - want[i]; late < 0 || late > grain {
				t.Errorf("rang at %v, want %v", at, want[i])
			}
		}
	})
}

func TestAlarmRepeats(t *testing.T) {
	running(t, func(t *testing.T, k *Clock) {
		n := 0
		var a Alarm
		k.Add(&a, func(now time.Duration) time.Duration {
			if n++; n == 10 {
				k.Remove(&a) // from within
			}
			return now + time.Second
		})
		a.Set(time.Second)
		pass(time.Hour)
		if n != 10 {
			t.Errorf("rang %d times", n)
		}
		k.Add(&a, func(time.Duration) time.Duration { n++; return 0 })
		a.Set(k.Now() + time.Second)
		pass(time.Minute)
		if n != 11 {
			t.Errorf("added again, it rang %d times", n)
		}
		k.Remove(&a)
		k.Remove(&a)
		k.Remove(new(Alarm))
	})
}

// A Set while the alarm rings wins over what ring returns.
func TestSetWhileRinging(t *testing.T) {
	running(t, func(t *testing.T, k *Clock) {
		var rings []time.Duration
		var a Alarm
		k.Add(&a, func(now time.Duration) time.Duration {
			rings = append(rings, now)
			if len(rings) == 1 {
				a.Set(time.Minute)
				return time.Hour
			}
			return 0
		})
		a.Set(time.Second)
		pass(2 * time.Hour)
		if len(rings) != 2 || rings[1] < time.Minute || rings[1] > time.Minute+grain {
			t.Errorf("rang at %v", rings)
		}
	})
}

// An alarm that is due, and removed before its turn, does not ring.
func TestRemoveOfOneThatIsDue(t *testing.T) {
	running(t, func(t *testing.T, k *Clock) {
		var first, second Alarm
		rang := 0
		ring := func(other *Alarm) func(time.Duration) time.Duration {
			return func(time.Duration) time.Duration {
				rang++
				k.Remove(other)
				other.Set(1)
				return 0
			}
		}
		k.Add(&first, ring(&second))
		k.Add(&second, ring(&first))
		first.Set(time.Second)
		second.Set(time.Second)
		pass(time.Minute)
		if rang != 1 {
			t.Errorf("%d rang", rang)
		}
	})
}

// Any number of alarms, moved at random: each rings when it is due, none
// rings that is not, and wake-ups are few.
func TestManyAlarms(t *testing.T) {
	running(t, func(t *testing.T, k *Clock) {
		random := rand.New(rand.NewPCG(1, 2))
		const count = 5000
		alarms := make([]Alarm, count)
		due := make([]time.Duration, count)
		wakes := make(map[time.Duration]bool)
		rang := 0
		for i := range alarms {
			k.Add(&alarms[i], func(now time.Duration) time.Duration {
				rang++
				wakes[now] = true
				if due[i] == 0 || now < due[i] || now > due[i]+grain {
					t.Errorf("alarm %d rang at %v, and was due at %v", i, now, due[i])
				}
				due[i] = 0
				return 0
			})
		}
		set := 0
		for range 50_000 {
			i := random.IntN(count)
			switch random.IntN(4) {
			case 0:
				due[i] = 0
				alarms[i].Set(0)
			default:
				set++
				due[i] = k.Now() + 1 + time.Duration(random.Int64N(int64(10*time.Second)))
				alarms[i].Set(due[i])
			}
			if random.IntN(10) == 0 {
				pass(time.Duration(random.Int64N(int64(2 * time.Millisecond))))
			}
		}
		pass(time.Minute)
		for i, at := range due {
			if at != 0 {
				t.Fatalf("alarm %d did not ring at %v", i, at)
			}
		}
		if took := k.Now() - time.Minute + 10*time.Second; rang < 100 || len(wakes) > int(took/grain)+1 {
			t.Errorf("%d rang in %d wake-ups", rang, len(wakes))
		}
	})
}

// A clock with nothing to do does nothing: in synctest's bubble, time that
// passes in one step shows that no timer was set.
func TestClockIsIdle(t *testing.T) {
	running(t, func(t *testing.T, k *Clock) {
		alarms := make([]Alarm, 5000)
		for i := range alarms {
			k.Add(&alarms[i], func(time.Duration) time.Duration { return 0 })
			alarms[i].Set(24 * time.Hour)
		}
		pass(time.Hour)
		if k.woke > 0 {
			t.Errorf("it woke at %v", k.woke)
		}
		for i := range alarms {
			k.Remove(&alarms[i])
		}
		if len(k.queue) != 0 {
			t.Errorf("%d alarms are left", len(k.queue))
		}
	})
}

// Alarms that are moved from many sides at once, under the race detector.
func TestAlarmsInARace(t *testing.T) {
	running(t, func(t *testing.T, k *Clock) {
		var rang atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			alarms := make([]Alarm, 20)
			for i := range alarms {
				k.Add(&alarms[i], func(time.Duration) time.Duration { rang.Add(1); return 0 })
			}
			for range 2 {
				wg.Go(func() {
					for i := range 2000 {
						alarms[i%20].Set(k.Now() + time.Duration(i*7919%10)*time.Millisecond)
						if i%50 == 0 {
							time.Sleep(time.Millisecond)
						}
					}
				})
			}
		}
		wg.Wait()
		before := rang.Load()
		pass(time.Second)
		if rang.Load() == before {
			t.Error("what was set last did not ring")
		}
	})
}

func TestSettingAllocatesNothing(t *testing.T) {
	k := NewClock()
	var a Alarm
	k.Add(&a, func(time.Duration) time.Duration { return 0 })
	at := time.Hour
	a.Set(at)
	if n := testing.AllocsPerRun(1000, func() { at += time.Second; a.Set(at); a.Set(0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(1000, func() { at -= 2 * time.Second; a.Set(at) }); n != 0 {
		t.Errorf("%v allocations for one that is brought forward", n)
	}
}

func BenchmarkSetLater(b *testing.B) {
	k := NewClock()
	var a Alarm
	k.Add(&a, func(time.Duration) time.Duration { return 0 })
	for i := range b.N {
		a.Set(time.Hour + time.Duration(i))
	}
}
