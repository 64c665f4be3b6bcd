#include <x86intrin.h>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <atomic>
#include <sched.h>
#include <algorithm>
#include <vector>
static void pin(int c){cpu_set_t s;CPU_ZERO(&s);CPU_SET(c,&s);sched_setaffinity(0,sizeof s,&s);sched_param p{};p.sched_priority=10;sched_setscheduler(0,SCHED_FIFO,&p);}
static double dense(){ // independent adds: throughput bound
  unsigned long long t=__rdtsc(); long n=2000000; long a=1,b=2,c=3,d=4,e=5,f=6;
  for(long i=0;i<n;i++){asm volatile("add $1,%0\nadd $1,%1\nadd $1,%2\nadd $1,%3\nadd $1,%4\nadd $1,%5\nadd $3,%0\nadd $3,%1\nadd $3,%2\nadd $3,%3\nadd $3,%4\nadd $3,%5":"+r"(a),"+r"(b),"+r"(c),"+r"(d),"+r"(e),"+r"(f));}
  return double(__rdtsc()-t)/n; }
int main(){ std::atomic<int> mode{0}; std::atomic<bool> stop{false};
 std::thread o([&]{pin(1); while(!stop){ if(mode==0){for(int i=0;i<1000;i++)_mm_pause();} else dense();}});
 pin(0); for(int r=0;r<6;r++) for(int m=0;m<2;m++){mode=m; dense(); std::vector<double> v; for(int i=0;i<60;i++)v.push_back(dense()); std::sort(v.begin(),v.end()); printf("other %s: cycles per 12 adds min %.2f median %.2f\n",m?"busy ":"pause",v[0],v[30]);}
 stop=true;o.join();}
