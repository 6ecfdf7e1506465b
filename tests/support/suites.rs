//! Test suites that run over every store.

/// Makes a test of each case and each store: of `async fn case(fleet: &Fleet)` in the module `subject` beside what
/// calls this. A further store is a further module here.
#[macro_export]
macro_rules! over_every_store {
    ($($subject:ident { $($case:ident)* })*) => {
        /// On a clock that goes on by itself when everybody waits for it.
        mod memory {
            $(mod $subject { $(
                #[tokio::test(start_paused = true)]
                async fn $case() {
                    super::super::$subject::$case(&$crate::fleet::Fleet::on_memory()).await;
                }
            )* })*
        }

        mod redis {
            $(mod $subject { $(
                #[tokio::test]
                async fn $case() {
                    super::super::$subject::$case(&$crate::fleet::Fleet::on_redis().await).await;
                }
            )* })*
        }

        mod redis_cluster {
            $(mod $subject { $(
                #[tokio::test]
                async fn $case() {
                    super::super::$subject::$case(&$crate::fleet::Fleet::on_redis_cluster().await).await;
                }
            )* })*
        }

        /// On a majority of three stores.
        mod quorum {
            $(mod $subject { $(
                #[tokio::test(start_paused = true)]
                async fn $case() {
                    super::super::$subject::$case(&$crate::fleet::Fleet::on_quorum()).await;
                }
            )* })*
        }

        mod sqlite {
            $(mod $subject { $(
                #[tokio::test]
                async fn $case() {
                    super::super::$subject::$case(&$crate::fleet::Fleet::on_sqlite().await).await;
                }
            )* })*
        }

        mod postgres {
            $(mod $subject { $(
                #[tokio::test]
                async fn $case() {
                    super::super::$subject::$case(&$crate::fleet::Fleet::on_postgres().await).await;
                }
            )* })*
        }

        mod zookeeper {
            $(mod $subject { $(
                #[tokio::test]
                async fn $case() {
                    super::super::$subject::$case(&$crate::fleet::Fleet::on_zookeeper().await).await;
                }
            )* })*
        }

        mod etcd {
            $(mod $subject { $(
                #[tokio::test]
                async fn $case() {
                    super::super::$subject::$case(&$crate::fleet::Fleet::on_etcd().await).await;
                }
            )* })*
        }
    };
}
