use coord::{Error, circuit_breaker, locked, retry};
async fn fetch(url: &str, owned: String, _: u8) -> Result<Page, FetchError> {
    ::coord::__private::inventory::submit! {
        ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::Retry, &
        [], ::core::option::Option::Some(::core::concat!(::core::module_path!(), "::",
        "fetch")), "", ::core::concat!(::core::module_path!(), "::", "fetch"))
    }
    #[allow(clippy::used_underscore_binding)]
    let retried = {
        static __COORD_SITE: ::coord::__private::RetrySite = ::coord::__private::RetrySite::new(
            ::core::concat!(::core::module_path!(), "::", "fetch"),
        );
        ::coord::__private::Retried::new(
            &__COORD_SITE,
            &::coord::__private::RetryPolicy::fast().to_builder().build(),
        )
    };
    ::coord::__private::settled(
        <Result<Page, FetchError> as ::coord::__private::Fallible>::from_error,
        <Result<Page, FetchError> as ::coord::__private::Fallible>::from_result,
        retried
            .run(
                <Result<Page, FetchError> as ::coord::__private::Fallible>::into_result,
                ::coord::__private::always,
                ::coord::__private::never,
                move || {
                    #[allow(
                        unused_variables,
                        clippy::used_underscore_binding,
                        clippy::no_effect_underscore_binding
                    )]
                    let url = ::coord::__private::again(&url);
                    #[allow(
                        unused_variables,
                        clippy::used_underscore_binding,
                        clippy::no_effect_underscore_binding
                    )]
                    let mut owned = ::coord::__private::again(&owned);
                    async move {
                        ::coord::__private::raised(
                            <Result<
                                Page,
                                FetchError,
                            > as ::coord::__private::Fallible>::into_result,
                            async move {
                                #[allow(clippy::type_complexity)]
                                if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                                    Result<Page, FetchError>,
                                > {
                                    return output;
                                }
                                {
                                    owned.push('!');
                                    get(url, owned).await
                                }
                            }
                                .await,
                        )
                    }
                },
            )
            .await,
    )
}
async fn options(limit: Duration) -> Result<(), FetchError> {
    my::coord::__private::inventory::submit! {
        my::coord::__private::Annotated::new(my::coord::__private::AnnotatedKind::Retry,
        & [], ::core::option::Option::Some("gateway"),
        "policy = self::POLICY, if = FetchError::is_transient, retry_after = |error|error.retry_after(), deadline = \"1m\", attempt_timeout = limit, budget = BUDGET, breaker = BREAKER, name = \"gateway\"",
        ::core::concat!(::core::module_path!(), "::", "options"))
    }
    #[allow(clippy::used_underscore_binding)]
    let retried = {
        static __COORD_SITE: my::coord::__private::RetrySite = my::coord::__private::RetrySite::new(
            "gateway",
        );
        my::coord::__private::Retried::new(&__COORD_SITE, &self::POLICY)
            .deadline(::core::time::Duration::new(60u64, 0u32))
            .attempt_timeout(limit)
            .budget(&BUDGET)
            .breaker(&BREAKER)
    };
    my::coord::__private::settled(
        <Result<(), FetchError> as my::coord::__private::Fallible>::from_error,
        <Result<(), FetchError> as my::coord::__private::Fallible>::from_result,
        retried
            .run(
                <Result<(), FetchError> as my::coord::__private::Fallible>::into_result,
                FetchError::is_transient,
                |error| error.retry_after(),
                move || {
                    #[allow(
                        unused_variables,
                        clippy::used_underscore_binding,
                        clippy::no_effect_underscore_binding
                    )]
                    let limit = my::coord::__private::again(&limit);
                    async move {
                        my::coord::__private::raised(
                            <Result<
                                (),
                                FetchError,
                            > as my::coord::__private::Fallible>::into_result,
                            async move {
                                #[allow(clippy::type_complexity)]
                                if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                                    Result<(), FetchError>,
                                > {
                                    return output;
                                }
                                { get(limit).await }
                            }
                                .await,
                        )
                    }
                },
            )
            .await,
    )
}
async fn guarded() -> Result<impl Iterator<Item = u8>, Error> {
    ::coord::__private::inventory::submit! {
        ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::CircuitBreaker,
        & [], ::core::option::Option::Some(::core::concat!(::core::module_path!(), "::",
        "guarded")), "failures = 5, reset = \"1m\"",
        ::core::concat!(::core::module_path!(), "::", "guarded"))
    }
    #[allow(clippy::used_underscore_binding)]
    let guarded = ::coord::__private::Guarded::new({
        static __COORD_BREAKER: ::std::sync::LazyLock<
            ::coord::__private::CircuitBreaker,
        > = ::std::sync::LazyLock::new(|| {
            ::coord::__private::CircuitBreaker::builder()
                .name(::core::concat!(::core::module_path!(), "::", "guarded"))
                .failure_threshold(5)
                .reset_timeout(::core::time::Duration::new(60u64, 0u32))
                .build()
        });
        &*__COORD_BREAKER
    });
    ::coord::__private::settled(
        <Result<_, Error> as ::coord::__private::Fallible>::from_error,
        <Result<_, Error> as ::coord::__private::Fallible>::from_result,
        guarded
            .run(
                <Result<_, Error> as ::coord::__private::Fallible>::into_result,
                ::coord::__private::is_failure,
                move || async move {
                    ::coord::__private::raised(
                        <Result<_, Error> as ::coord::__private::Fallible>::into_result,
                        async move {
                            #[allow(clippy::type_complexity)]
                            if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                                Result<_, Error>,
                            > {
                                return output;
                            }
                            { Ok([1].into_iter()) }
                        }
                            .await,
                    )
                },
            )
            .await,
    )
}
fn by_rate() -> BoxFuture<'static, Result<(), Error>> {
    ::coord::__private::inventory::submit! {
        ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::CircuitBreaker,
        & [], ::core::option::Option::Some(::core::concat!(::core::module_path!(), "::",
        "by_rate")),
        "failure_rate = 0.5, window = \"10s\", minimum_calls = 20, probes = 2, successes = 3, is_failure = is_down",
        ::core::concat!(::core::module_path!(), "::", "by_rate"))
    }
    #[allow(clippy::used_underscore_binding)]
    let guarded = ::coord::__private::Guarded::new({
        static __COORD_BREAKER: ::std::sync::LazyLock<
            ::coord::__private::CircuitBreaker,
        > = ::std::sync::LazyLock::new(|| {
            ::coord::__private::CircuitBreaker::builder()
                .name(::core::concat!(::core::module_path!(), "::", "by_rate"))
                .failure_rate(0.5f64)
                .window(::core::time::Duration::new(10u64, 0u32))
                .minimum_calls(20)
                .half_open_probes(2)
                .success_threshold(3)
                .build()
        });
        &*__COORD_BREAKER
    });
    ::std::boxed::Box::pin(async move {
        ::coord::__private::settled(
            <Result<(), Error> as ::coord::__private::Fallible>::from_error,
            <Result<(), Error> as ::coord::__private::Fallible>::from_result,
            guarded
                .run(
                    <Result<(), Error> as ::coord::__private::Fallible>::into_result,
                    is_down,
                    move || async move {
                        ::coord::__private::raised(
                            <Result<
                                (),
                                Error,
                            > as ::coord::__private::Fallible>::into_result,
                            async move {
                                #[allow(clippy::type_complexity)]
                                if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                                    Result<(), Error>,
                                > {
                                    return output;
                                }
                                #[allow(clippy::type_complexity)]
                                let start = move || -> BoxFuture<'_, Result<(), Error>> {
                                    Box::pin(async { Ok(()) })
                                };
                                start().await
                            }
                                .await,
                        )
                    },
                )
                .await,
        )
    })
}
impl Service {
    async fn ship(
        &self,
        order: Order,
        (a, ref b): (A, B),
    ) -> Result<Receipt, ShopError> {
        #[allow(unused_imports)]
        use circuit_breaker as _;
        #[allow(unused_imports)]
        use locked as _;
        ::coord::__private::inventory::submit! {
            ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::Retry,
            & [], ::core::option::Option::Some(::core::concat!(::core::module_path!(),
            "::", "ship")),
            "max_retries = 3, initial_delay = \"200ms\", max_delay = \"5s\", multiplier = 1.5, jitter = \"25%\"",
            ::core::concat!(::core::module_path!(), "::", "ship"))
        }
        ::coord::__private::inventory::submit! {
            ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::CircuitBreaker,
            & [], ::core::option::Option::None, "breaker = self.breaker",
            ::core::concat!(::core::module_path!(), "::", "ship"))
        }
        ::coord::__private::inventory::submit! {
            ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::Locked,
            & ["order:<order.id>"], ::core::option::Option::None, "lease = lease",
            ::core::concat!(::core::module_path!(), "::", "ship"))
        }
        #[allow(clippy::used_underscore_binding)]
        let retried = {
            static __COORD_SITE: ::coord::__private::RetrySite = ::coord::__private::RetrySite::new(
                ::core::concat!(::core::module_path!(), "::", "ship"),
            );
            ::coord::__private::Retried::new(
                &__COORD_SITE,
                &<::coord::__private::RetryPolicy as ::core::default::Default>::default()
                    .to_builder()
                    .max_retries(3)
                    .initial_delay(::core::time::Duration::new(0u64, 200000000u32))
                    .max_delay(::core::time::Duration::new(5u64, 0u32))
                    .multiplier(1.5f64)
                    .jitter(::coord::__private::Jitter::Proportional(0.25f64))
                    .build(),
            )
        };
        #[allow(clippy::used_underscore_binding)]
        let guarded = ::coord::__private::Guarded::by(&self.breaker);
        #[allow(clippy::used_underscore_binding)]
        let locked = {
            ::coord::__private::Locked::new([
                {
                    let value0 = &order.id;
                    ::coord::__private::Renderer::new("order:<order.id>")
                        .literal("order:")
                        .value("order.id", value0, "")
                        .finish()
                },
            ])
        };
        ::coord::__private::settled(
            <Result<Receipt, ShopError> as ::coord::__private::Fallible>::from_error,
            <Result<Receipt, ShopError> as ::coord::__private::Fallible>::from_result,
            retried
                .run(
                    <Result<
                        Receipt,
                        ShopError,
                    > as ::coord::__private::Fallible>::into_result,
                    ::coord::__private::always,
                    ::coord::__private::never,
                    move || {
                        #[allow(
                            unused_variables,
                            clippy::used_underscore_binding,
                            clippy::no_effect_underscore_binding
                        )]
                        let order = ::coord::__private::again(&order);
                        #[allow(
                            unused_variables,
                            clippy::used_underscore_binding,
                            clippy::no_effect_underscore_binding
                        )]
                        let a = ::coord::__private::again(&a);
                        #[allow(
                            unused_variables,
                            clippy::used_underscore_binding,
                            clippy::no_effect_underscore_binding
                        )]
                        let b = ::coord::__private::again(&b);
                        let guarded = ::core::clone::Clone::clone(&guarded);
                        let locked = ::core::clone::Clone::clone(&locked);
                        async move {
                            guarded
                                .run(
                                    <Result<
                                        Receipt,
                                        ShopError,
                                    > as ::coord::__private::Fallible>::into_result,
                                    ::coord::__private::is_failure,
                                    move || async move {
                                        locked
                                            .run(
                                                <::core::result::Result<
                                                    _,
                                                    ::coord::__private::Raised<_>,
                                                > as ::coord::__private::Fallible>::from_error,
                                                move |guard: ::std::sync::Arc<::coord::__private::Lease>| async move {
                                                    #[allow(clippy::no_effect_underscore_binding)]
                                                    let lease: &::coord::__private::Lease = &guard;
                                                    ::coord::__private::raised(
                                                        <Result<
                                                            Receipt,
                                                            ShopError,
                                                        > as ::coord::__private::Fallible>::into_result,
                                                        async move {
                                                            #[allow(clippy::type_complexity)]
                                                            if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                                                                Result<Receipt, ShopError>,
                                                            > {
                                                                return output;
                                                            }
                                                            { self.carrier.ship(order, a, b, lease.token()).await }
                                                        }
                                                            .await,
                                                    )
                                                },
                                            )
                                            .await
                                    },
                                )
                                .await
                        }
                    },
                )
                .await,
        )
    }
    async fn by_value(self, id: u64) -> Result<(), Error> {
        #[allow(unused_imports)]
        use coord::retry as _;
        ::coord::__private::inventory::submit! {
            ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::Locked,
            & ["order:<id>"], ::core::option::Option::None, "skip",
            ::core::concat!(::core::module_path!(), "::", "by_value"))
        }
        ::coord::__private::inventory::submit! {
            ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::Retry,
            & [], ::core::option::Option::Some(::core::concat!(::core::module_path!(),
            "::", "by_value")), "", ::core::concat!(::core::module_path!(), "::",
            "by_value"))
        }
        #[allow(clippy::used_underscore_binding)]
        let locked = {
            ::coord::__private::Locked::new([
                {
                    let value0 = &id;
                    ::coord::__private::Renderer::new("order:<id>")
                        .literal("order:")
                        .value("id", value0, "")
                        .finish()
                },
            ])
        };
        #[allow(clippy::used_underscore_binding)]
        let retried = {
            static __COORD_SITE: ::coord::__private::RetrySite = ::coord::__private::RetrySite::new(
                ::core::concat!(::core::module_path!(), "::", "by_value"),
            );
            ::coord::__private::Retried::new(
                &__COORD_SITE,
                &<::coord::__private::RetryPolicy as ::core::default::Default>::default()
                    .to_builder()
                    .build(),
            )
        };
        ::coord::__private::settled(
            <Result<(), Error> as ::coord::__private::Fallible>::from_error,
            <Result<(), Error> as ::coord::__private::Fallible>::from_result,
            locked
                .run_or_skip(
                    <::core::result::Result<
                        _,
                        ::coord::__private::Raised<_>,
                    > as ::coord::__private::Fallible>::from_error,
                    <::core::result::Result<
                        _,
                        ::coord::__private::Raised<_>,
                    > as ::coord::__private::Skippable>::skipped,
                    move |_: ::std::sync::Arc<::coord::__private::Lease>| async move {
                        retried
                            .run(
                                <Result<
                                    (),
                                    Error,
                                > as ::coord::__private::Fallible>::into_result,
                                ::coord::__private::always,
                                ::coord::__private::never,
                                move || {
                                    ::coord::__private::self_again(&self);
                                    #[allow(
                                        unused_variables,
                                        clippy::used_underscore_binding,
                                        clippy::no_effect_underscore_binding
                                    )]
                                    let id = ::coord::__private::again(&id);
                                    async move {
                                        ::coord::__private::raised(
                                            <Result<
                                                (),
                                                Error,
                                            > as ::coord::__private::Fallible>::into_result,
                                            async move {
                                                #[allow(clippy::type_complexity)]
                                                if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                                                    Result<(), Error>,
                                                > {
                                                    return output;
                                                }
                                                { Ok(()) }
                                            }
                                                .await,
                                        )
                                    }
                                },
                            )
                            .await
                    },
                )
                .await,
        )
    }
}
