/* The memory bandwidth of this machine, measured: what `bench` compares with. */
#ifndef PLAIT_DRIVER_BANDWIDTH_H
#define PLAIT_DRIVER_BANDWIDTH_H

/* Bytes a second read plus written by a copy on all processors; 0 when memory runs out. About 0.2 s. */
double plait_bandwidth_cpu(void);
/* Bytes a second of the current GPU; 0 when it cannot be measured. */
double plait_bandwidth_gpu(void);

#endif
