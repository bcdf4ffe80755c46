/** What Kubernetes uses for random names: k8s.io/apimachinery/pkg/util/rand, no vowels, no digits that look like letters. */
const random = '[bcdfghjklmnpqrstvwxz2456789]';
const endings = [
  new RegExp(`-${random}{6,10}-${random}{5}$`), // Deployment: hash of the ReplicaSet, then of the pod
  new RegExp(`-[0-9]{8,10}-${random}{5}$`), // CronJob: scheduled time, then the pod
  new RegExp(`-${random}{5}$`), // DaemonSet, Job
  /-[0-9]+$/, // StatefulSet
];

/** The name of what made a pod: `shop-7d9c6bf4b5-x2x7k` → `shop`, `db-0` → `db`. */
export function workloadName(podName: string): string {
  const ending = endings.find((pattern) => pattern.test(podName));
  return (ending && podName.replace(ending, '')) || podName;
}
