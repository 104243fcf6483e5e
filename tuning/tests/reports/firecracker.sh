#!/bin/sh
# What `tuning apply` would do. Run as root; the effect of each line ends with the next boot:
# what shall last goes to /etc/sysctl.d or a unit that runs `tuning apply`.

# locked-memory: 8.0 MiB; wanted: >= 64 MiB (ringmain, glommio)
# Buffers that are registered with io_uring count as locked; root is exempt, a service user is not.
# by hand: LimitMEMLOCK=infinity in the service's unit, or `ulimit -l unlimited` in its shell

# open-files: 20000, hard limit 20000; wanted: >= 100000 (Kafka)
# Every connection and every open segment takes a descriptor.
# by hand: LimitNOFILE=1048576 in the service's unit, or `ulimit -n` in its shell

# swappiness: 60; wanted: 1 (rpk, Kafka)
# A shard that is swapped out stops every partition that it owns.
echo 1 > /proc/sys/vm/swappiness

# noatime: relatime; wanted: noatime (Kafka)
# Otherwise reads write: each first read of a segment after a change updates its inode.
# by hand: mount -o remount,noatime '/', and in /etc/fstab

# disk-scheduler: mq-deadline on vda; wanted: none (rpk, perftune)
# The broker orders its own requests, and the device has queues enough; a scheduler adds time to each.
echo none > /sys/block/vda/queue/scheduler

# disk-nomerges: 0 on vda; wanted: 2 (rpk, perftune)
# Looking for neighbours to merge costs CPU and finds none: requests are large already.
echo 2 > /sys/block/vda/queue/nomerges

# syn-backlog: 2048; wanted: >= 4096 (rpk, perftune)
# Half-open connections beyond it are dropped and tried again a second later.
echo 4096 > /proc/sys/net/ipv4/tcp_max_syn_backlog

# rps: eth0: on for 0 of 1 queues; wanted: all cores, if the card has fewer receive queues (rpk, perftune)
# The work of TCP for all connections otherwise stays on the CPU that answers the interrupt.
echo 3 > /sys/class/net/eth0/queues/rx-0/rps_cpus

# rfs: 0 flows; wanted: 32768 flows, if a card has fewer receive queues than cores (rpk, perftune)
# Packets go to the core whose shard reads their connection, not to any.
echo 32768 > /proc/sys/net/core/rps_sock_flow_entries
echo 32768 > /sys/class/net/eth0/queues/rx-0/rps_flow_cnt

# halt-poll: off; wanted: 200 us or more (the kernel)
# A CPU of a guest that has nothing to do gives itself up to the host, and takes tens of microseconds to come back. One that looks for work a little longer finds the answer of its disk or of another core. It costs CPU of the host.
echo 200000 > /sys/module/haltpoll/parameters/guest_halt_poll_ns

# aio-max-nr: 65536; wanted: >= 1048576 (rpk)
# Programs that use libaio, as other brokers on the machine may, share this many requests. io_uring does not count here.
echo 1048576 > /proc/sys/fs/aio-max-nr
