#!/bin/sh
# What `tuning apply` would do. Run as root; the effect of each line ends with the next boot:
# what shall last goes to /etc/sysctl.d or a unit that runs `tuning apply`.

# open-files: 1024, hard limit 524288; wanted: >= 100000 (Kafka)
# Every connection and every open segment takes a descriptor.
# by hand: LimitNOFILE=1048576 in the service's unit, or `ulimit -n` in its shell

# swappiness: 60; wanted: 1 (rpk, Kafka)
# A shard that is swapped out stops every partition that it owns.
echo 1 > /proc/sys/vm/swappiness

# disk-nomerges: 0 on nvme0n1; wanted: 2 (rpk, perftune)
# Looking for neighbours to merge costs CPU and finds none: requests are large already.
echo 2 > /sys/block/nvme0n1/queue/nomerges

# rmem-max: 212992; wanted: >= 2 MiB (Kafka)
# A buffer that a program asks for is cut to this.
echo 2097152 > /proc/sys/net/core/rmem_max

# wmem-max: 212992; wanted: >= 2 MiB (Kafka)
# A buffer that a program asks for is cut to this.
echo 2097152 > /proc/sys/net/core/wmem_max

# irqbalance: running; wanted: not running (rpk, perftune)
# It moves interrupts every few seconds and undoes what was chosen for disks and network cards.
# by hand: systemctl disable --now irqbalance, or ban the interrupts of disk and network card in it

# net-irq: ens1f0np0: 4 interrupts on CPU 0; wanted: each queue on its own core (rpk, perftune)
# One CPU that answers all interrupts of a card is full while the others wait for packets.
echo 0 > /proc/irq/141/smp_affinity_list
echo 1 > /proc/irq/142/smp_affinity_list
echo 2 > /proc/irq/143/smp_affinity_list
echo 3 > /proc/irq/144/smp_affinity_list

# xps: ens1f0np0: 4 of 4 queues belong to no core; wanted: a queue for each core, if there are several (rpk, perftune)
# Cores that share a send queue wait for each other's lock.
echo 1 > /sys/class/net/ens1f0np0/queues/tx-0/xps_cpus
echo 2 > /sys/class/net/ens1f0np0/queues/tx-1/xps_cpus
echo 4 > /sys/class/net/ens1f0np0/queues/tx-2/xps_cpus
echo 8 > /sys/class/net/ens1f0np0/queues/tx-3/xps_cpus

# cpu-governor: powersave; wanted: performance (rpk)
# Other governors wait for load before they raise the clock, which shows in the tail of latency.
echo performance > /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor
echo performance > /sys/devices/system/cpu/cpu1/cpufreq/scaling_governor
echo performance > /sys/devices/system/cpu/cpu2/cpufreq/scaling_governor
echo performance > /sys/devices/system/cpu/cpu3/cpufreq/scaling_governor
echo performance > /sys/devices/system/cpu/cpu4/cpufreq/scaling_governor
echo performance > /sys/devices/system/cpu/cpu5/cpufreq/scaling_governor
echo performance > /sys/devices/system/cpu/cpu6/cpufreq/scaling_governor
echo performance > /sys/devices/system/cpu/cpu7/cpufreq/scaling_governor

# c-states: C6 (170 us); wanted: none that takes more than 20 us to leave (rpk)
# A request that finds its CPU in a deep sleep waits for it to come back; a broker that is not busy then answers slower than a busy one. It costs power.
echo 1 > /sys/devices/system/cpu/cpu0/cpuidle/state3/disable
echo 1 > /sys/devices/system/cpu/cpu1/cpuidle/state3/disable
echo 1 > /sys/devices/system/cpu/cpu2/cpuidle/state3/disable
echo 1 > /sys/devices/system/cpu/cpu3/cpuidle/state3/disable
echo 1 > /sys/devices/system/cpu/cpu4/cpuidle/state3/disable
echo 1 > /sys/devices/system/cpu/cpu5/cpuidle/state3/disable
echo 1 > /sys/devices/system/cpu/cpu6/cpuidle/state3/disable
echo 1 > /sys/devices/system/cpu/cpu7/cpuidle/state3/disable

# numa-balancing: 1; wanted: 0 with several nodes (ringmain)
# It unmaps pages to see who uses them. Shards are pinned and their memory is where they are.
echo 0 > /proc/sys/kernel/numa_balancing

# aio-max-nr: 65536; wanted: >= 1048576 (rpk)
# Programs that use libaio, as other brokers on the machine may, share this many requests. io_uring does not count here.
echo 1048576 > /proc/sys/fs/aio-max-nr

# smt: second threads: CPU 4,5,6,7; wanted: no shard on a second thread of a core (perftune)
# Two shards on the two threads of one core share its units and slow each other in bursts.
# by hand: start the broker with --cores 0,1,2,3

# numa: 2 nodes; nvme0n1 on node 1, ens1f0np0 on node 1; wanted: shards on the node of disk and network card (perftune)
# Memory and devices of another node answer later, and the link between nodes is shared.
# by hand: if one node's cores are enough, start the broker with --cores 2,3
