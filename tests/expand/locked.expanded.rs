use coord::{Error, locked};
/// Everything by default.
async fn process(id: u64) -> Result<Receipt, OrderError> {
    ::coord::__private::inventory::submit! {
        ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::Locked, &
        ["order:<id>"], ::core::option::Option::None, "",
        ::core::concat!(::core::module_path!(), "::", "process"))
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
    locked
        .run(
            <Result<Receipt, OrderError> as ::coord::__private::Fallible>::from_error,
            move |_: ::std::sync::Arc<::coord::__private::Lease>| async move {
                #[allow(clippy::type_complexity)]
                if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                    Result<Receipt, OrderError>,
                > {
                    return output;
                }
                {
                    let receipt = receipt(id).await?;
                    Ok(receipt)
                }
            },
        )
        .await
}
#[allow(clippy::all)]
pub(crate) async fn arguments_of_every_kind<'a, T: KeyPart>(
    order: &'a Order,
    (a, b): (T, T),
    #[allow(unused)]
    mut count: usize,
) -> Result<impl Iterator<Item = &'a str>, Error> {
    ::coord::__private::inventory::submit! {
        ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::Locked, &
        ["order:<order.id>:<order.lines.0.type>%<a><b>"], ::core::option::Option::None,
        "ttl = \"30s\", wait = patience(), lease = lease",
        ::core::concat!(::core::module_path!(), "::", "arguments_of_every_kind"))
    }
    #[allow(clippy::used_underscore_binding)]
    let locked = {
        ::coord::__private::Locked::new([
                {
                    let value0 = &order.id;
                    let value1 = &order.lines.0.r#type;
                    let value2 = &a;
                    let value3 = &b;
                    ::coord::__private::Renderer::new(
                            "order:<order.id>:<order.lines.0.type>%<a><b>",
                        )
                        .literal("order:")
                        .value("order.id", value0, ":")
                        .literal(":")
                        .value("order.lines.0.type", value1, "%")
                        .literal("%")
                        .value_before_value("a", value2)
                        .value("b", value3, "")
                        .finish()
                },
            ])
            .ttl(::core::time::Duration::new(30u64, 0u32))
            .wait(patience())
    };
    locked
        .run(
            <Result<_, Error> as ::coord::__private::Fallible>::from_error,
            move |guard: ::std::sync::Arc<::coord::__private::Lease>| async move {
                #[allow(clippy::type_complexity)]
                if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                    Result<_, Error>,
                > {
                    return output;
                }
                #[allow(clippy::no_effect_underscore_binding)]
                let lease: &::coord::__private::Lease = &guard;
                {
                    lease.token();
                    Ok(order.names())
                }
            },
        )
        .await
}
#[inline]
async fn options() -> Result<(), Error> {
    my::coord::__private::inventory::submit! {
        my::coord::__private::Annotated::new(my::coord::__private::AnnotatedKind::Locked,
        & ["report:daily"], ::core::option::Option::None,
        "skip, at_least = \"1m 250ms\", renew = false, shared",
        ::core::concat!(::core::module_path!(), "::", "options"))
    }
    #[allow(clippy::used_underscore_binding)]
    let locked = {
        my::coord::__private::Locked::new([
                {
                    my::coord::__private::Renderer::new("report:daily")
                        .literal("report:daily")
                        .finish()
                },
            ])
            .at_least(::core::time::Duration::new(60u64, 250000000u32))
            .renew(false)
            .shared()
    };
    locked
        .run_or_skip(
            <Result<(), Error> as my::coord::__private::Fallible>::from_error,
            <Result<(), Error> as my::coord::__private::Skippable>::skipped,
            move |_: ::std::sync::Arc<my::coord::__private::Lease>| async move {
                #[allow(clippy::type_complexity)]
                if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                    Result<(), Error>,
                > {
                    return output;
                }
                { Ok(()) }
            },
        )
        .await
}
impl Service {
    async fn transfer(&mut self, from: AccountId, to: AccountId) -> Result<(), Error> {
        ::coord::__private::inventory::submit! {
            ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::Locked,
            & ["account:<from>", "account:<to>"], ::core::option::Option::None,
            "coord = self.coord", ::core::concat!(::core::module_path!(), "::",
            "transfer"))
        }
        #[allow(clippy::used_underscore_binding)]
        let locked = {
            let coordinator = &self.coord;
            ::coord::__private::Locked::new([
                    {
                        let value0 = &from;
                        ::coord::__private::Renderer::new("account:<from>")
                            .literal("account:")
                            .value("from", value0, "")
                            .finish()
                    },
                    {
                        let value0 = &to;
                        ::coord::__private::Renderer::new("account:<to>")
                            .literal("account:")
                            .value("to", value0, "")
                            .finish()
                    },
                ])
                .with(coordinator)
        };
        locked
            .run(
                <Result<(), Error> as ::coord::__private::Fallible>::from_error,
                move |_: ::std::sync::Arc<::coord::__private::Lease>| async move {
                    #[allow(clippy::type_complexity)]
                    if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                        Result<(), Error>,
                    > {
                        return output;
                    }
                    { self.bank.transfer(from, to).await }
                },
            )
            .await
    }
    fn call<'a>(&'a self) -> impl Future<Output = Result<&'a str, Error>> + Send {
        ::coord::__private::inventory::submit! {
            ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::Locked,
            & ["gateway:<self.name>"], ::core::option::Option::None,
            "permits = self.permits", ::core::concat!(::core::module_path!(), "::",
            "call"))
        }
        #[allow(clippy::used_underscore_binding)]
        let locked = {
            ::coord::__private::Locked::new([
                    {
                        let value0 = &self.name;
                        ::coord::__private::Renderer::new("gateway:<self.name>")
                            .literal("gateway:")
                            .value("self.name", value0, "")
                            .finish()
                    },
                ])
                .permits(self.permits)
        };
        locked
            .run(
                <Result<&'a str, Error> as ::coord::__private::Fallible>::from_error,
                move |_: ::std::sync::Arc<::coord::__private::Lease>| async move {
                    #[allow(clippy::type_complexity)]
                    if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                        Result<&'a str, Error>,
                    > {
                        return output;
                    }
                    #[allow(clippy::type_complexity)]
                    let start = move || { async move { Ok(&*self.name) } };
                    start().await
                },
            )
    }
}
trait Stock {
    fn reserve<'life0, 'async_trait>(
        &'life0 self,
        sku: u64,
    ) -> Pin<Box<dyn Future<Output = Result<u64, Error>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
    {
        ::coord::__private::inventory::submit! {
            ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::Locked,
            & ["stock:<sku>"], ::core::option::Option::None, "lease = lease",
            ::core::concat!(::core::module_path!(), "::", "reserve"))
        }
        #[allow(clippy::used_underscore_binding)]
        let locked = {
            ::coord::__private::Locked::new([
                {
                    let value0 = &sku;
                    ::coord::__private::Renderer::new("stock:<sku>")
                        .literal("stock:")
                        .value("sku", value0, "")
                        .finish()
                },
            ])
        };
        ::std::boxed::Box::pin(
            locked
                .run(
                    <Result<u64, Error> as ::coord::__private::Fallible>::from_error,
                    move |guard: ::std::sync::Arc<::coord::__private::Lease>| async move {
                        #[allow(clippy::type_complexity)]
                        if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                            Result<u64, Error>,
                        > {
                            return output;
                        }
                        #[allow(clippy::no_effect_underscore_binding)]
                        let lease: &::coord::__private::Lease = &guard;
                        #[allow(clippy::type_complexity)]
                        let start = move || -> Pin<
                            Box<dyn Future<Output = Result<u64, Error>> + Send + '_>,
                        > { Box::pin(async move { Ok(lease.token().into()) }) };
                        start().await
                    },
                ),
        )
    }
}
