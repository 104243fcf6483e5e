#!/bin/sh
# What `tuning apply` would do. Run as root; the effect of each line ends with the next boot:
# what shall last goes to /etc/sysctl.d or a unit that runs `tuning apply`.

# mount-barriers: nobarrier; wanted: not turned off (ringmain)
# Without barriers a sync does not reach the disk, and acknowledged records are lost in a power cut.
# by hand: mount without this option

# swappiness: 30; wanted: 1 (rpk, Kafka)
# A shard that is swapped out stops every partition that it owns.
echo 1 > /proc/sys/vm/swappiness

# file-system: btrfs on /dev/nvme1n1; wanted: xfs or ext4 (rpk, Kafka)
# Others copy on write, or answer a sync before the data is safe.
# by hand: use XFS for the data directory

# noatime: relatime; wanted: noatime (Kafka)
# Otherwise reads write: each first read of a segment after a change updates its inode.
# by hand: mount -o remount,noatime '/var/lib/ringmain', and in /etc/fstab

# disk-scheduler: mq-deadline on nvme1n1; wanted: none (rpk, perftune)
# The broker orders its own requests, and the device has queues enough; a scheduler adds time to each.
echo none > /sys/block/nvme1n1/queue/scheduler

# syn-backlog: 512; wanted: >= 4096 (rpk, perftune)
# Half-open connections beyond it are dropped and tried again a second later.
echo 4096 > /proc/sys/net/ipv4/tcp_max_syn_backlog

# rmem-max: 212992; wanted: >= 2 MiB (Kafka)
# A buffer that a program asks for is cut to this.
echo 2097152 > /proc/sys/net/core/rmem_max

# wmem-max: 212992; wanted: >= 2 MiB (Kafka)
# A buffer that a program asks for is cut to this.
echo 2097152 > /proc/sys/net/core/wmem_max

# rps: ens5: on for 0 of 1 queues; wanted: all cores, if the card has fewer receive queues (rpk, perftune)
# The work of TCP for all connections otherwise stays on the CPU that answers the interrupt.
echo 5 > /sys/class/net/ens5/queues/rx-0/rps_cpus

# rfs: 0 flows; wanted: 32768 flows, if a card has fewer receive queues than cores (rpk, perftune)
# Packets go to the core whose shard reads their connection, not to any.
echo 32768 > /proc/sys/net/core/rps_sock_flow_entries
echo 32768 > /sys/class/net/ens5/queues/rx-0/rps_flow_cnt

# clocksource: xen; wanted: tsc, or kvm-clock in a guest (rpk, perftune)
# Other sources need a system call, or a slow device, to tell the time.
echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource

# aio-max-nr: 65536; wanted: >= 1048576 (rpk)
# Programs that use libaio, as other brokers on the machine may, share this many requests. io_uring does not count here.
echo 1048576 > /proc/sys/fs/aio-max-nr

# smt: second threads: CPU 1,3; wanted: no shard on a second thread of a core (perftune)
# Two shards on the two threads of one core share its units and slow each other in bursts.
# by hand: start the broker with --cores 0,2
